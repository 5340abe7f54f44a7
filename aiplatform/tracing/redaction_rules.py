"""What is a secret in a text: e-mail addresses, telephone numbers, identity numbers, bank cards, keys and tokens.

Every rule is linear in the length of the text: it starts from something rare (an @, a run of digits, a known prefix)
and looks a bounded way around it. Numbers that carry a check digit are believed only where it is right.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Final

Place = tuple[int, int]
Finder = Callable[[str], Iterator[Place]]

_AT: Final = re.compile(r"@|%40")
_NARROW: Final = {0xFF01 + offset: 0x21 + offset for offset in range(94)}
_ASCII_LOCAL: Final = re.compile(r"[A-Za-z0-9._%+\-]{1,64}\Z")
_ANY_LOCAL: Final = re.compile(r"\w{1,64}\Z")
_ASCII_DOMAIN: Final = re.compile(r"(?:[A-Za-z0-9\-]{1,63}[.。]){1,8}[A-Za-z]{2,24}")
_ANY_DOMAIN: Final = re.compile(r"(?:[\w\-]{1,63}[.。]){1,8}\w{2,24}")
_LOCAL_CHARACTERS: Final = 64

_ALNUM: Final = re.compile(r"[0-9A-Za-z]")
_HEX_ID: Final = re.compile(r"(?=[0-9]*[a-fA-F])[0-9a-fA-F]{12,}")
_SEP: Final = "[ \u00a0-]"

_CARDS: Final = tuple(
    re.compile(rf"(?<!\d)(?<!\d\.){layout}(?!\d|\.\d)")
    for layout in (
        r"\d{13,19}",
        rf"\d{{4}}(?:{_SEP}\d{{4}}){{3}}{_SEP}\d{{1,3}}",
        rf"\d{{4}}(?:{_SEP}\d{{4}}){{3}}",
        rf"\d{{4}}{_SEP}\d{{6}}{_SEP}\d{{4,5}}",
        rf"\d{{6}}{_SEP}\d{{13}}",
    )
)
_ISSUERS: Final = (
    (re.compile(r"4"), {13, 16, 19}),  # Visa
    (re.compile(r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)"), {16}),  # Mastercard
    (re.compile(r"3[47]"), {15}),  # American Express
    (re.compile(r"62|81"), {16, 17, 18, 19}),  # UnionPay
    (re.compile(r"35(?:2[89]|[3-8])"), {16, 17, 18, 19}),  # JCB
    (re.compile(r"6011|64[4-9]|65"), {16, 17, 18, 19}),  # Discover
    (re.compile(r"3(?:0[0-5]|095|6|8|9)"), {14, 15, 16, 17, 18, 19}),  # Diners Club
    (re.compile(r"50|5[6-8]|60|63|67|6759"), {16, 17, 18, 19}),  # Maestro
)

_RESIDENT: Final = re.compile(
    rf"(?<!\d)(?<!\d\.)[1-9]\d{{5}}{_SEP}?(?:18|19|20)\d{{6}}{_SEP}?\d{{3}}[\dXx](?![0-9A-Za-z])"
)
_RESIDENT_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_CHECKS: Final = "10X98765432"
_PROVINCES: Final = frozenset(
    str(tens * 10 + ones) for tens, last in enumerate((0, 5, 3, 7, 6, 4, 5, 1, 3)) for ones in range(last + 1) if tens
) - {"10", "20", "30", "40", "60", "70", "80"}
_SOCIAL: Final = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")

_CHINESE_MOBILE: Final = re.compile(
    rf"(?<!\d)(?<!\d\.)(?:(?:[+]|00)?86{_SEP}?)?1[3-9]\d(?:{_SEP}?\d{{4}}){{2}}(?!\d|\.\d)"
)
_PHONES: Final = (
    _CHINESE_MOBILE,
    re.compile(r"(?<![\d.-])(?:1[-. ])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[-.])[2-9]\d{2}[-.]\d{4}(?![\d-])"),
    re.compile(r"(?<![\d-])(?:0\d{2,3}-|\(0\d{2,3}\) ?)[1-9]\d{6,7}(?![\d-])"),
)
_COUNTRY: Final = re.compile(r"(?<![A-Za-z0-9_+])\+(?=[1-9])")
_NUMBER_PART: Final = re.compile(r"([ .\u00a0-]?)\(?(\d{1,14})\)?")
_FEWEST_DIGITS: Final = 8
_USUAL_DIGITS: Final = 11
_MOST_DIGITS: Final = 15
"""Of a number with its country's code (E.164)."""

_NUMBER: Final = re.compile(r"\d{2}")
"""Without two digits side by side there is no number of any kind."""

_SECRETS: Final = (
    (
        ("PRIVATE KEY",),
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
        ),
    ),
    (("://",), re.compile(r"(?<=://)[^\s/:@]{0,128}:[^\s/@]{1,256}(?=@)")),
    (("eyJ",), re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?")),
    (("sk-", "pk-"), re.compile(r"(?<![A-Za-z0-9_-])(?:sk|pk)-(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,}")),
    (
        ("_", "-", "AKI", "ASIA", "AIza", "ya29.", "SG.", "LTAI"),
        re.compile(
            r"(?<![A-Za-z0-9_-])(?:"
            r"gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}|hf_[A-Za-z0-9]{20,}"
            r"|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}|ya29\.[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}"
            r"|npm_[A-Za-z0-9]{30,}|pypi-[\w-]{32,}|lsv2_(?:pt|sk)_\w{16,}|[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}"
            r"|LTAI[A-Za-z0-9]{12,}|AKID[A-Za-z0-9]{13,}|aip_\w{16,}"
            r")"
        ),
    ),
    (
        (" ",),
        re.compile(r"(?i:(?<![a-z0-9])(?:bearer|basic)\s{1,4})(?=[A-Za-z._~+/-]*[0-9=])([A-Za-z0-9._~+/=-]{12,})"),
    ),
    (
        (":", "="),
        re.compile(
            r"(?i:(?<![a-z0-9])(?:api[_-]?key|access[_-]?key|secret(?:[_-]?(?:access[_-]?)?key)?|client[_-]?secret|"
            r"passw(?:or)?d|pwd|(?:access|auth|refresh|api)[_-]?token)[\"']?\s{0,3}[:=]\s{0,3}[\"']?)"
            r"(?!\[)([^\s\"',;&]{4,})"
        ),
    ),
    (
        ("密码", "口令", "密钥"),
        re.compile(r"(?:密码|口令|密钥)\s{0,3}(?:是|为|[:=])\s{0,3}(?!\[)([\x21-\x7e]{4,})"),
    ),
)
"""What must occur in a text for a pattern to be tried, and the pattern. Where it has a group, that alone is secret."""

SECRET_NAME: Final = re.compile(
    r"(?i)(?:.*[._-])?(?:api[_-]?key|x-api-key|access[_-]?key|secret(?:[_-]?(?:access[_-]?)?key)?|client[_-]?secret|"
    r"passw(?:or)?d|pwd|(?:access|auth|refresh|api|id)[_-]?token|authorization|cookie|set-cookie|private[_-]?key)"
)
"""Names whose value is a secret whatever it looks like."""

PHONE_NAME: Final = re.compile(r"(?i).*(?:phone|mobile|tel\b|telephone|手机|电话)")
"""Names under which a bare number is a telephone number, and not a size or a count."""


def find_emails(text: str) -> Iterator[Place]:
    """Addresses, whatever writing surrounds them."""
    end = 0
    for at in _AT.finditer(text):
        before = text[max(end, at.start() - _LOCAL_CHARACTERS) : at.start()]
        local = (_ASCII_LOCAL if before[-1:].isascii() else _ANY_LOCAL).search(before)
        first = text[at.end() : at.end() + 1]
        domain = (_ASCII_DOMAIN if first.isascii() else _ANY_DOMAIN).match(text, at.end())
        if local and domain:
            end = domain.end()
            yield at.start() - len(local[0]), end


def find_cards(text: str) -> Iterator[Place]:
    """Bank cards whose issuer, length and check digit fit."""
    for layout in _CARDS if _NUMBER.search(text) else ():
        yield from _checked(layout, text, is_card)


def find_identity_numbers(text: str) -> Iterator[Place]:
    """Chinese resident ids, with date and check digit, and social security numbers."""
    if _NUMBER.search(text):
        yield from _checked(_RESIDENT, text, is_resident_id)
        for match in _SOCIAL.finditer(text):
            yield match.span()


def find_phones(text: str) -> Iterator[Place]:
    """Chinese mobiles and land lines, numbers with a country's code, and North American ones."""
    if not _NUMBER.search(text):
        return
    for pattern in _PHONES:
        yield from _checked(pattern, text, lambda _: True)
    for plus in _COUNTRY.finditer(text):
        end = _end_of_number(text, plus.end())
        if end is not None:
            yield plus.start(), end


def find_secrets(text: str) -> Iterator[Place]:
    """Keys, tokens, passwords and private keys."""
    for needles, pattern in _SECRETS:
        if any(needle in text for needle in needles):
            for match in pattern.finditer(text):
                yield match.span(pattern.groups)


def narrowed(text: str) -> str:
    """A text of equal length whose full-width letters, digits and signs are the ordinary ones."""
    return text if text.isascii() else text.translate(_NARROW)


def is_card(digits: str) -> bool:
    """Whether a row of digits is a bank card's number."""
    return any(len(digits) in lengths and issuer.match(digits) for issuer, lengths in _ISSUERS) and _luhn(digits)


def is_resident_id(digits: str) -> bool:
    """Whether 18 characters are a Chinese resident's number: province, date of birth, check digit."""
    if len(digits) != 18 or digits[:2] not in _PROVINCES:
        return False
    try:
        date(int(digits[6:10]), int(digits[10:12]), int(digits[12:14]))
    except ValueError:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_RESIDENT_WEIGHTS, digits, strict=False))
    return _RESIDENT_CHECKS[total % 11] == digits[17]


RULES: Final[Mapping[str, Finder]] = {
    "secret": find_secrets,
    "email": find_emails,
    "id": find_identity_numbers,
    "card": find_cards,
    "phone": find_phones,
}
"""The rules there are, in the order they are applied: what an earlier one took, a later one does not see."""


def _end_of_number(text: str, position: int) -> int | None:
    """Where a telephone number ends whose country's code begins here; None where it is none."""
    num_digits = 0
    while (part := _NUMBER_PART.match(text, position)) is not None:
        is_next_to_it = part[1] == " " and num_digits >= _USUAL_DIGITS
        if num_digits + len(part[2]) > _MOST_DIGITS or is_next_to_it:
            break
        num_digits += len(part[2])
        position = part.end()
    return position if num_digits >= _FEWEST_DIGITS and not text[position : position + 1].isdecimal() else None


def _checked(pattern: re.Pattern[str], text: str, is_one: Callable[[str], bool]) -> Iterator[Place]:
    position = 0
    while (match := pattern.search(text, position)) is not None:
        if is_one(_plain_digits(match[0])) and not _is_inside_hex(text, match):
            yield match.span()
            position = match.end()
        else:
            position = match.start() + 1


def _plain_digits(text: str) -> str:
    """The digits of any writing as ASCII, and the X that a resident's number may end with."""
    found = (
        str(unicodedata.decimal(character)) if character.isdecimal() else "X" if character in "Xx" else ""
        for character in text
    )
    return "".join(found)


def _is_inside_hex(text: str, match: re.Match[str]) -> bool:
    """Whether these digits are a part of a hexadecimal id, such as a trace's."""
    start, end = match.span()
    while start > 0 and match.end() - start < 128 and _ALNUM.match(text[start - 1]):
        start -= 1
    while end < len(text) and end - match.start() < 128 and _ALNUM.match(text[end]):
        end += 1
    return (start, end) != match.span() and _HEX_ID.fullmatch(text, start, end) is not None


def _luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
