"""`aip.span`: a span of OpenTelemetry with the words that LLM applications need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.trace import StatusCode

from aiplatform.tracing.model import SpanKind
from aiplatform.tracing.sdk.context import traceparent_of
from aiplatform.tracing.sdk.provider import SCOPE_NAME as SCOPE_NAME
from aiplatform.tracing.sdk.provider import tracer as own_tracer
from aiplatform.tracing.sdk.serialise import as_json, as_text
from aiplatform.tracing.semconv import OPERATION_OF_KIND

_OTEL_KINDS: Final = {SpanKind.LLM: otel_trace.SpanKind.CLIENT, SpanKind.EMBEDDING: otel_trace.SpanKind.CLIENT}
_TOKEN_NAMES: Final = {
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "cache_read": "gen_ai.usage.cache_read.input_tokens",
    "cache_write": "gen_ai.usage.cache_write.input_tokens",
    "reasoning": "gen_ai.usage.reasoning.output_tokens",
}


_SIDES: Final = {side: (f"{side}.value", f"{side}.mime_type") for side in ("input", "output")}


class Span:
    """An open span. Every method may be called at any time and never raises into the application."""

    __slots__ = ("_span",)

    def __init__(self, span: otel_trace.Span) -> None:
        self._span = span

    @property
    def otel(self) -> otel_trace.Span:
        """The span of OpenTelemetry underneath."""
        return self._span

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return f"{self._span.get_span_context().trace_id:032x}"

    @property
    def span_id(self) -> str:
        """16 hexadecimal digits."""
        return f"{self._span.get_span_context().span_id:016x}"

    @property
    def traceparent(self) -> str | None:
        """The W3C header that makes another process's spans children of this one."""
        return traceparent_of(self._span.get_span_context())

    def set_input(self, value: Any) -> Span:
        """What went in: text, or anything that JSON can hold."""
        return self._set_value("input", value)

    def set_output(self, value: Any) -> Span:
        """What came out."""
        return self._set_value("output", value)

    def set_messages(
        self,
        *,
        input: Sequence[Any] | None = None,  # noqa: A002 - the sides' names
        output: Sequence[Any] | None = None,
    ) -> Span:
        """The conversation, as mappings with `role` and `content` (or OpenTelemetry's `parts`)."""
        if input is not None:
            self.set_attribute("gen_ai.input.messages", as_json(input))
        if output is not None:
            self.set_attribute("gen_ai.output.messages", as_json(output))
        return self

    def set_model(self, name: str, *, response: str | None = None, provider: str | None = None) -> Span:
        """The model that was asked for, the one that answered, and whose it is."""
        self.set_attribute("gen_ai.request.model", name)
        if response is not None:
            self.set_attribute("gen_ai.response.model", response)
        if provider is not None:
            self.set_attribute("gen_ai.provider.name", provider)
        return self

    def set_tokens(
        self,
        *,
        input: int | None = None,  # noqa: A002 - the sides' names
        output: int | None = None,
        cache_read: int | None = None,
        cache_write: int | None = None,
        reasoning: int | None = None,
    ) -> Span:
        """Tokens that were used; `input` counts cached ones too, `output` reasoning too."""
        given = {"input": input, "output": output, "cache_read": cache_read, "cache_write": cache_write}
        for name, count in (given | {"reasoning": reasoning}).items():
            if count is not None:
                self.set_attribute(_TOKEN_NAMES[name], count)
        return self

    def set_passages(self, passages: Iterable[Any], *, query: str | None = None) -> Span:
        """What a retriever returned, best first.

        Args:
            passages: Texts, pairs of text and score, or mappings with `text`, `id`, `score`, `metadata`.
            query: What was looked for.
        """
        self.set_attribute("gen_ai.retrieval.documents", as_json([_document(passage) for passage in passages]))
        if query is not None:
            self.set_attribute("gen_ai.retrieval.query.text", query)
        return self

    def set_tool(self, name: str, *, arguments: Any = None, result: Any = None, call_id: str | None = None) -> Span:
        """The tool that runs in this span, with what it was called with and what it gave."""
        self.set_attribute("gen_ai.tool.name", name)
        if call_id is not None:
            self.set_attribute("gen_ai.tool.call.id", call_id)
        if arguments is not None:
            self.set_attribute("gen_ai.tool.call.arguments", as_text(arguments)[0])
        if result is not None:
            self.set_attribute("gen_ai.tool.call.result", as_text(result)[0])
        return self

    def set_session(self, session_id: str | None = None, *, user_id: str | None = None) -> Span:
        """The conversation and the user that this belongs to."""
        if session_id is not None:
            self.set_attribute("session.id", session_id)
        if user_id is not None:
            self.set_attribute("user.id", user_id)
        return self

    def set_error(self, error: BaseException | str) -> Span:
        """What went wrong; the span counts as failed."""
        if not self._span.is_recording():
            return self
        if isinstance(error, BaseException):
            try:
                message = str(error)
                self._span.record_exception(error)
            except Exception:  # noqa: BLE001 - an exception of the user's may do anything when it is looked at
                message = f"<{type(error).__name__}>"
            self.set_attribute("error.type", type(error).__qualname__)
        else:
            message = error
        self._span.set_status(StatusCode.ERROR, message)
        return self

    def set_attribute(self, name: str, value: Any) -> Span:
        """Any attribute; what OpenTelemetry has no form for is written as JSON."""
        is_plain = isinstance(value, bool | int | float | str | bytes)
        self._span.set_attribute(name, value if is_plain else as_json(value))
        return self

    def set_attributes(self, attributes: Mapping[str, Any]) -> Span:
        """Several attributes."""
        for name, value in attributes.items():
            self.set_attribute(name, value)
        return self

    def add_event(self, name: str, **attributes: Any) -> Span:
        """Something that happened now."""
        self._span.add_event(name, {key: as_text(value)[0] for key, value in attributes.items()})
        return self

    def _set_value(self, side: str, value: Any) -> Span:
        if self._span.is_recording():
            text, is_json = as_text(value)
            value_name, type_name = _SIDES[side]
            _put(self._span, {value_name: text, type_name: "application/json" if is_json else "text/plain"})
        return self


class span:  # noqa: N801 - it is called like the function that it is to its users
    """Open a span for the block; an exception that leaves the block is recorded and goes on.

    Args:
        name: What a reader sees in the tree.
        kind: What it does: `llm`, `tool`, `agent`, `chain`, `retriever`, `reranker`, `embedding`, `guardrail`,
            `evaluator`, …
        input: What goes in, where it is known already.
        attributes: Further attributes.
        sample_ratio: Share of the traces beginning with this span that is kept; by default what `aip.init` was told.
        tracer: Whose span it is; by default the application's.
    """

    __slots__ = ("_attributes", "_input", "_kind", "_name", "_opened", "_ratio", "_token", "_tracer")

    def __init__(
        self,
        name: str,
        *,
        kind: SpanKind | str = SpanKind.CHAIN,
        input: Any = None,  # noqa: A002 - the side's name
        attributes: Mapping[str, Any] | None = None,
        sample_ratio: float | None = None,
        tracer: otel_trace.Tracer | None = None,
    ) -> None:
        self._name = name
        self._kind = kind if isinstance(kind, SpanKind) else SpanKind(kind)
        self._input = input
        self._attributes = attributes
        self._ratio = sample_ratio
        self._tracer = tracer

    def __enter__(self) -> Span:
        opened = begun(self._name, self._kind, self._tracer or own_tracer(self._ratio))
        self._opened = opened
        self._token = otel_context.attach(otel_trace.set_span_in_context(opened.otel))
        if self._input is not None:
            opened.set_input(self._input)
        if self._attributes:
            opened.set_attributes(self._attributes)
        return opened

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        otel_context.detach(self._token)
        if error is not None and kind is not GeneratorExit:
            self._opened.set_error(error)
        self._opened.otel.end()


def begun(name: str, kind: SpanKind, tracer: otel_trace.Tracer) -> Span:
    """A span of a kind that is not current yet; whoever begins it ends it."""
    return Span(
        tracer.start_span(
            name, kind=_OTEL_KINDS.get(kind, otel_trace.SpanKind.INTERNAL), attributes=_KIND_ATTRIBUTES[kind]
        )
    )


def _kind_attributes(kind: SpanKind) -> dict[str, str]:
    """The two standard attributes that say what a span does."""
    found = {"openinference.span.kind": kind.value.upper()}
    operation = OPERATION_OF_KIND.get(kind)
    if operation is not None:
        found["gen_ai.operation.name"] = operation
    return found


_KIND_ATTRIBUTES: Final = {kind: _kind_attributes(kind) for kind in SpanKind}


def current_span() -> Span:
    """The span that is open here; where none is, one that takes everything and keeps nothing."""
    return Span(otel_trace.get_current_span())


def _put(inner: otel_trace.Span, texts: dict[str, str]) -> None:
    """Set attributes that are plain texts, which OpenTelemetry would look over once more, value by value.

    That costs as much as the rest of a span. Where the span limits values or is nearly full, it is left to it.
    """
    found = getattr(inner, "_attributes", None)
    if type(found) is BoundedAttributes and found.max_value_len is None:
        plain = found._dict
        if found.maxlen is None or len(plain) + len(texts) <= found.maxlen:
            with found._lock:
                plain.update(texts)
            return
    inner.set_attributes(texts)


def _document(passage: Any) -> dict[str, Any]:
    if isinstance(passage, str):
        return {"content": passage}
    if isinstance(passage, Mapping):
        found = dict(passage)
        if "content" not in found and "text" in found:
            found["content"] = found.pop("text")
        return found
    if isinstance(passage, tuple) and len(passage) == 2:
        return {"content": str(passage[0]), "score": float(passage[1])}
    names = ("text", "content", "id", "passage_id", "score", "metadata")
    found = {name: getattr(passage, name) for name in names if getattr(passage, name, None) is not None}
    text = found.pop("text", None)
    return {**found, "content": str(text if text is not None else found.get("content", passage))}
