import pytest

from aiplatform.core.errors import ConflictError, InvalidError, RemoteError, TransientError
from aiplatform.core.i18n import N_
from aiplatform.serve.wire import decode, encode_error, encode_value, parse_object


def test_a_value_arrives_as_it_was() -> None:
    assert decode(encode_value({"delta": {"content": "你好"}})) == {"delta": {"content": "你好"}}


def test_an_error_arrives_with_kind_words_and_fields() -> None:
    sent = TransientError(
        N_("The model {name!r} is starting."), hint="soon", reason="model.starting", retry_after_s=2.0, name="qa"
    )
    with pytest.raises(TransientError) as caught:
        decode(encode_error(sent))
    assert str(caught.value) == "The model 'qa' is starting."
    assert (caught.value.full_code, caught.value.hint, caught.value.retry_after_s) == ("model.starting", "soon", 2.0)


def test_a_clients_mistake_stays_a_clients_mistake() -> None:
    with pytest.raises(ConflictError):
        decode(encode_error(ConflictError("no")))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"not json", b'{"error": 3}', b'{"error": {"status": "x"}}'])
def test_what_is_neither_is_the_replicas_fault(data: bytes) -> None:
    with pytest.raises(RemoteError, match="cannot be read"):
        decode(data)


def test_an_answer_that_json_cannot_hold_is_named() -> None:
    with pytest.raises(RemoteError, match="cannot be written as JSON"):
        encode_value({"a": object()})


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"3", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidError):
        parse_object(body)
