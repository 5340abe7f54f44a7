from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.core.errors import InvalidError, PermissionDeniedError
from aiplatform.core.settings import ServerSettings, Settings
from aiplatform.tenancy.hosts import check_same_site, host_check, local_target


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8000", "LOCALHOST:1", "[::1]", "[::1]:8000", "10.0.0.7:8000"])
def test_own_names_are_accepted_at_any_port(host: str) -> None:
    host_check(Settings(server=ServerSettings(host="10.0.0.7")))(host)


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil:8000", "[::2]"])
def test_other_names_are_refused(host: str) -> None:
    with pytest.raises(InvalidError):
        host_check(Settings())(host)


def test_a_star_accepts_every_name() -> None:
    host_check(Settings(server=ServerSettings(allowed_hosts=("*",))))("pod.internal")


@pytest.mark.parametrize(
    ("headers", "has_cookie", "passes"),
    [
        ({"sec-fetch-site": "same-origin"}, True, True),
        ({"sec-fetch-site": "none"}, True, True),
        ({"sec-fetch-site": "same-site", "origin": "http://h"}, True, False),
        ({"sec-fetch-site": "cross-site"}, False, False),
        ({"origin": "http://h:8000"}, True, True),
        ({"origin": "http://evil.example"}, True, False),
        ({"origin": "null"}, True, False),
        ({}, True, False),
        ({}, False, True),
    ],
)
def test_only_own_pages_change_things_with_a_cookie(headers: dict[str, str], has_cookie: bool, passes: bool) -> None:
    asked = {"host": "h:8000", **headers}
    check_same_site("GET", asked, has_cookie=has_cookie)
    if passes:
        check_same_site("POST", asked, has_cookie=has_cookie)
    else:
        with pytest.raises(PermissionDeniedError):
            check_same_site("POST", asked, has_cookie=has_cookie)


@pytest.mark.parametrize(
    "target",
    [None, "", "https://evil.example", "//evil.example", "/\\evil.example", "/a\\b", "javascript:alert(1)", "/\n/x"],
)
def test_a_target_elsewhere_becomes_the_start_page(target: str | None) -> None:
    assert local_target(target) == "/"


def test_a_local_target_stays() -> None:
    assert local_target("/default/default/traces?q=a b") == "/default/default/traces?q=a b"


@given(st.text())
def test_no_target_leaves_the_site(target: str) -> None:
    assert urlsplit(urljoin("http://here/", local_target(target))).netloc == "here"
