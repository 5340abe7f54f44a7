import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tenancy.keys import (
    CODE_PURPOSE,
    KEY_PURPOSE,
    SESSION_PURPOSE,
    digest,
    key_id_of,
    looks_like_key,
    new_key,
    new_token,
)


def test_a_key_shows_its_name_and_hides_the_rest() -> None:
    key_id, secret = new_key()
    assert re.fullmatch(r"aip_[0-9a-z]{8}", key_id)
    assert secret.text.startswith(f"{key_id}_")
    assert key_id_of(secret.text) == key_id
    assert looks_like_key(secret.text)
    assert secret.text not in repr(secret)
    assert secret.text not in secret.digest


def test_no_two_keys_are_alike() -> None:
    assert len({new_key()[1].text for _ in range(1000)}) == 1000


@pytest.mark.parametrize("purpose", [SESSION_PURPOSE, CODE_PURPOSE])
def test_a_digest_for_one_purpose_never_stands_for_another(purpose: bytes) -> None:
    text = new_token(purpose).text
    assert digest(text, purpose) != digest(text, KEY_PURPOSE)


@given(st.text())
def test_what_is_no_key_does_not_look_like_one(text: str) -> None:
    assert looks_like_key(text) == bool(re.fullmatch(r"aip_[0-9a-hjkmnp-tv-z]{8}_[0-9a-hjkmnp-tv-z]{40}", text))
