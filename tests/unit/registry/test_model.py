"""References and names."""

import pytest

from aiplatform.core.errors import InvalidError
from aiplatform.registry.model import Reference, check_alias, check_name, parse_reference


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("faq", Reference(name="faq")),
        ("faq@3", Reference(name="faq", version=3)),
        ("faq@latest", Reference(name="faq")),
        ("qa@champion", Reference(name="qa", alias="champion")),
        ("python-faq.v2_b@12", Reference(name="python-faq.v2_b", version=12)),
    ],
)
def test_a_reference_names_a_thing_a_version_or_an_alias(text: str, reference: Reference) -> None:
    assert parse_reference(text) == reference


@pytest.mark.parametrize("text", ["", "@3", "faq@", "faq@3@4", "a/b", "faq@-1", "../x", "a" * 129, "faq@3a", "名"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidError):
        parse_reference(text)


def test_a_reference_reads_as_it_was_written() -> None:
    assert [str(parse_reference(text)) for text in ("faq", "faq@3", "qa@champion")] == ["faq", "faq@3", "qa@champion"]


@pytest.mark.parametrize("alias", ["3", "latest", "", "a b", "-x"])
def test_an_alias_cannot_read_like_a_version(alias: str) -> None:
    with pytest.raises(InvalidError):
        check_alias(alias)


def test_a_name_cannot_leave_its_folder() -> None:
    for name in ("..", "a/b", ".hidden", "a\0b"):
        with pytest.raises(InvalidError):
            check_name(name, "data set")
