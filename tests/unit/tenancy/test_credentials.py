import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import UnauthenticatedError
from aiplatform.tenancy.credentials import cookie_value, credential_of, session_tokens
from aiplatform.tenancy.keys import KEY_PURPOSE, SESSION_PURPOSE, digest, new_key

KEY = new_key()[1].text


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY} "},
        {"authorization": basic(f"{KEY}:")},
        {"authorization": basic(f"{KEY}:anything")},
        {"authorization": basic(f"pk:{KEY}")},
        {"x-api-key": KEY},
        {"authorization": f"Bearer {KEY}", "cookie": "aip_session=other"},
    ],
)
def test_a_key_is_found_wherever_clients_put_it(headers: dict[str, str]) -> None:
    found = credential_of(headers)
    assert found is not None
    assert (found.digest, found.is_session) == (digest(KEY, KEY_PURPOSE), False)


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer sk-123", f"Digest {KEY}", "Basic !!!", basic("a:b"), "Basic /w==", KEY, f"Bearer {KEY}x"],
    ids=["nothing", "another's key", "another scheme", "no base64", "no key", "no text", "no scheme", "too long"],
)
def test_anything_else_is_refused_and_never_repeated(authorization: str) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        credential_of({"authorization": authorization, "cookie": "aip_session=good"})
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value.fields)


def test_a_session_comes_with_the_project_of_its_cookie_which_may_be_stale() -> None:
    found = credential_of({"cookie": 'a=1; aip_session="tok"; aip_project=docs'})
    assert found is not None
    assert (found.digest, found.is_session) == (digest("tok", SESSION_PURPOSE), True)
    assert (found.project_id, found.is_project_required) == ("docs", False)


def test_a_project_in_a_header_is_meant() -> None:
    found = credential_of({"x-api-key": KEY, "x-aiplatform-project": "docs"})
    assert found is not None
    assert (found.project_id, found.is_project_required) == ("docs", True)


@pytest.mark.parametrize("headers", [{}, {"cookie": "a=1"}, {"authorization": ""}, {"cookie": "aip_session="}])
def test_nothing_is_found_where_nothing_is(headers: dict[str, str]) -> None:
    assert credential_of(headers) is None


def test_the_sessions_of_a_browser_come_with_the_one_in_use_first() -> None:
    assert session_tokens("aip_sessions=b.c.a; aip_session=a") == ["a", "b", "c"]
    assert session_tokens(None) == []


@given(st.dictionaries(st.sampled_from(["authorization", "cookie", "x-api-key", "x-aiplatform-project"]), st.text()))
def test_no_header_breaks_it(headers: dict[str, str]) -> None:
    with contextlib.suppress(UnauthenticatedError):
        credential_of(headers)


@given(st.text(), st.text(min_size=1))
def test_no_cookie_breaks_it(header: str, name: str) -> None:
    cookie_value(header, name)
