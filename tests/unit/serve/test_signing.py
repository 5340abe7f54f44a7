import threading
from dataclasses import replace
from pathlib import Path

import pytest

from aiplatform.core.errors import ConfigError, UnauthenticatedError
from aiplatform.core.scope import Scope
from aiplatform.serve.ports import Method, ModelCall
from aiplatform.serve.signing import HEADERS, MAX_AGE_S, SIGNATURE_HEADER, DoorKeys, read_secret, sign, verify

NOW_S = 1_790_000_000
CALL = ModelCall(
    application="model-default.default.qa",
    scope=Scope(tenant_id="default", project_id="default"),
    principal="key:aip_1",
    method=Method.CHAT,
    request_id="req-1",
    body=b'{"messages":[]}',
)
SECRET = b"s" * 32


def test_what_the_door_signed_is_known_with_its_caller() -> None:
    headers = sign(SECRET, CALL, now_s=NOW_S)
    assert verify(SECRET, CALL.application, headers, CALL.body, now_s=NOW_S + 1) == (CALL.scope, Method.CHAT)


@pytest.mark.parametrize("name", [*HEADERS.values(), SIGNATURE_HEADER])
def test_changing_any_header_breaks_the_signature(name: str) -> None:
    headers = sign(SECRET, CALL, now_s=NOW_S)
    for changed in ({**headers, name: headers[name] + "1"}, {key: v for key, v in headers.items() if key != name}):
        with pytest.raises(UnauthenticatedError):
            verify(SECRET, CALL.application, changed, CALL.body, now_s=NOW_S)


def test_body_application_and_secret_are_bound() -> None:
    headers = sign(SECRET, CALL, now_s=NOW_S)
    for secret, application, body in [
        (b"t" * 32, CALL.application, CALL.body),
        (SECRET, "model-default.default.other", CALL.body),
        (SECRET, CALL.application, CALL.body + b" "),
    ]:
        with pytest.raises(UnauthenticatedError):
            verify(secret, application, headers, body, now_s=NOW_S)


def test_values_cannot_slide_from_one_field_into_the_next() -> None:
    one = sign(SECRET, replace(CALL, scope=Scope(tenant_id="ab", project_id="c")), now_s=NOW_S)
    other = sign(SECRET, replace(CALL, scope=Scope(tenant_id="a", project_id="bc")), now_s=NOW_S)
    assert one[SIGNATURE_HEADER] != other[SIGNATURE_HEADER]


@pytest.mark.parametrize("late_s", [MAX_AGE_S + 1, -MAX_AGE_S - 1])
def test_an_old_signature_opens_nothing(late_s: int) -> None:
    headers = sign(SECRET, CALL, now_s=NOW_S)
    with pytest.raises(UnauthenticatedError):
        verify(SECRET, CALL.application, headers, CALL.body, now_s=NOW_S + late_s)


def test_nothing_at_all_opens_nothing() -> None:
    with pytest.raises(UnauthenticatedError):
        verify(SECRET, CALL.application, {}, b"", now_s=NOW_S)


def test_each_application_has_a_secret_of_its_own_that_lasts(tmp_path: Path) -> None:
    keys = DoorKeys(tmp_path / "door")
    assert keys.of("a") != keys.of("b")
    assert DoorKeys(tmp_path / "door").of("a") == keys.of("a")
    assert read_secret(keys.file_of("a")) == keys.of("a")
    assert (keys.file_of("a").stat().st_mode & 0o777, (tmp_path / "door").stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_secret_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    file = DoorKeys(tmp_path).file_of("a")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(tmp_path / "missing.key")


def test_two_doors_that_begin_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(DoorKeys(tmp_path).of("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["door.key"]
