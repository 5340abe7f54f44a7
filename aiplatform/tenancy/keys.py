"""How an API key looks, and what of it is kept.

`aip_<8 characters>_<40 characters>`: the first part is the key's public name, the second carries 200 random bits. What
is stored is a BLAKE2b digest. A slow password hash would protect a secret that people choose; nobody guesses one of
2^200, and a fast digest lets every request be checked in microseconds and be found by an index. The digest is
personalised, so that the digest of a session's token can never stand for that of a key.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Final

KEY_PREFIX: Final = "aip_"
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_NAME_CHARACTERS: Final = 8
_SECRET_CHARACTERS: Final = 40
_KEY: Final = re.compile(rf"aip_[{_ALPHABET}]{{{_NAME_CHARACTERS}}}_[{_ALPHABET}]{{{_SECRET_CHARACTERS}}}")

KEY_PURPOSE: Final = b"aip.key"
SESSION_PURPOSE: Final = b"aip.session"
CODE_PURPOSE: Final = b"aip.code"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Secret:
    """A fresh secret: its text, for its owner's eyes once, and the digest that is stored."""

    text: str
    digest: str

    def __repr__(self) -> str:
        return "Secret(…)"


def new_key() -> tuple[str, Secret]:
    """A fresh key's public name (`aip_1a2b3c4d`) and the key itself."""
    key_id = KEY_PREFIX + _random(_NAME_CHARACTERS)
    text = f"{key_id}_{_random(_SECRET_CHARACTERS)}"
    return key_id, Secret(text=text, digest=digest(text, KEY_PURPOSE))


def new_token(purpose: bytes) -> Secret:
    """A fresh token of a browser session or a sign-in code: 256 random bits."""
    text = secrets.token_urlsafe(32)
    return Secret(text=text, digest=digest(text, purpose))


def looks_like_key(text: str) -> bool:
    """Whether a text has the form of a key: anything else need not be looked up."""
    return _KEY.fullmatch(text) is not None


def key_id_of(text: str) -> str:
    """The public name inside a key."""
    return text[: len(KEY_PREFIX) + _NAME_CHARACTERS]


def digest(text: str, purpose: bytes) -> str:
    """What is stored of a secret."""
    return hashlib.blake2b(text.encode(), digest_size=32, person=purpose).hexdigest()


def _random(count: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(count))
