"""Files inside messages are known in every form that senders write them in, and nothing else is taken for one."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiplatform.tracing.attachments import attachment_of, picture_type
from aiplatform.tracing.content_model import Part
from aiplatform.tracing.messages import read_messages

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
B64 = base64.b64encode(PNG).decode()
URL = f"data:image/png;base64,{B64}"

FORMS: list[dict[str, Any]] = [
    {"type": "blob", "mime_type": "image/png", "modality": "image", "content": B64},  # OpenTelemetry
    {"type": "uri", "mime_type": "image/png", "uri": URL},
    {"type": "image_url", "image_url": {"url": URL}},  # OpenAI chat
    {"type": "input_image", "image_url": URL},  # OpenAI Responses
    {"type": "file", "file": {"filename": "a.png", "file_data": URL}},
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": B64}},  # Anthropic
    {"inline_data": {"mime_type": "image/png", "data": B64}},  # Gemini
    {"type": "image", "image": {"image": {"url": URL}}},  # OpenInference
]


@pytest.mark.parametrize("form", FORMS, ids=[str(form.get("type")) + str(index) for index, form in enumerate(FORMS)])
def test_every_form_of_a_picture_is_known(form: dict[str, Any]) -> None:
    (message,) = read_messages([{"role": "user", "content": [{"type": "text", "text": "what is it?"}, form]}], "user")
    found = attachment_of(message.parts[1])
    assert found is not None
    assert (found.data(), found.media_type, found.size_bytes) == (PNG, "image/png", len(PNG))
    assert found.picture_type == "image/png"
    assert attachment_of(message.parts[0]) is None


@pytest.mark.parametrize(
    "data",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a-picture-somewhere-else.png"}},
        {"type": "document", "content": "Any plain words of a document"},
        {"type": "blob", "mime_type": "image/png", "content": "this is no base 64 at all!"},
        {"type": "uri", "uri": "data:text/plain,percent%20encoded%20words"},
        {"type": "thing", "data": {"more": 1}},
    ],
)
def test_what_is_no_file_stays_what_it_is(data: dict[str, Any]) -> None:
    assert attachment_of(Part(type=data["type"], data=data)) is None


def test_a_page_that_calls_itself_a_picture_is_none() -> None:
    content = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>").decode()
    found = attachment_of(Part(type="blob", data={"mime_type": "image/svg+xml", "content": content}))
    assert found is not None
    assert found.picture_type is None
    named = attachment_of(
        Part(type="file", data={"file": {"filename": '../"x\r\n.html', "file_data": f"data:a/b;base64,{content}"}})
    )
    assert named is not None
    assert named.name is not None
    assert not set('"\r\n/') & set(named.name)


@given(st.binary(min_size=12, max_size=200))
def test_bytes_come_out_as_they_went_in(data: bytes) -> None:
    for text in (base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode().rstrip("=")):
        found = attachment_of(Part(type="blob", data={"mime_type": "a/b", "content": text}))
        assert found is not None
        assert found.data() == data
        assert found.size_bytes == len(data)
        assert found.picture_type == picture_type(data)
