"""One call to the provider under one emitter. It runs in that emitter's environment, where this project is not.

Usage: python calls.py EMITTER CALL PROVIDER_URL; where spans go is said by OTEL_EXPORTER_OTLP_ENDPOINT.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

MODEL = "gpt-4o-mini"
SYSTEM = "You sell tea."
QUESTION = "茶多少钱？"
MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "price",
            "description": "Price of an article",
            "parameters": {"type": "object", "properties": {"article": {"type": "string"}}},
        },
    }
]


def tracer_provider() -> Any:
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    return provider


def logger_provider() -> Any:
    from opentelemetry import _logs
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    _logs.set_logger_provider(provider)
    return provider


def genai_openai() -> tuple[Any, Callable[[], Any]]:
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    provider = tracer_provider()
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return openai_client(), provider.shutdown


def openai_v2() -> tuple[Any, Callable[[], Any]]:
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    provider, logs = tracer_provider(), logger_provider()
    OpenAIInstrumentor().instrument(tracer_provider=provider, logger_provider=logs)
    return openai_client(), lambda: (provider.shutdown(), logs.shutdown())


def openinference() -> tuple[Any, Callable[[], Any]]:
    from openinference.instrumentation.openai import OpenAIInstrumentor

    provider = tracer_provider()
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return openai_client(), provider.shutdown


def traceloop() -> tuple[Any, Callable[[], Any]]:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    provider = tracer_provider()
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    return openai_client(), provider.shutdown


def langfuse() -> tuple[Any, Callable[[], Any]]:
    from langfuse import Langfuse
    from langfuse.openai import OpenAI
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    # Its own exporter goes to /api/public/otel; through this one, its spans go to any OTLP endpoint.
    client = Langfuse(public_key="pk-lf-1", secret_key="sk-lf-1", span_exporter=OTLPSpanExporter())
    return OpenAI(**client_options()), client.flush


def mlflow() -> tuple[Any, Callable[[], Any]]:
    import mlflow as ml

    ml.openai.autolog()
    return openai_client(), lambda: ml.flush_trace_async_logging(terminate=True)


EMITTERS = {
    "genai-openai": genai_openai,
    "openai-v2": openai_v2,
    "openinference": openinference,
    "traceloop": traceloop,
    "langfuse": langfuse,
    "mlflow": mlflow,
}


def client_options() -> dict[str, Any]:
    return {"api_key": "sk-none", "base_url": sys.argv[3], "max_retries": 0, "timeout": 10}


def openai_client() -> Any:
    from openai import OpenAI

    return OpenAI(**client_options())


def chat(client: Any) -> None:
    client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=0.5)


def stream(client: Any) -> None:
    for _ in client.chat.completions.create(
        model=MODEL, messages=MESSAGES, temperature=0.5, stream=True, stream_options={"include_usage": True}
    ):
        pass


def tool_call(client: Any) -> None:
    client.chat.completions.create(model=MODEL, messages=MESSAGES, tools=TOOLS)


def embeddings(client: Any) -> None:
    client.embeddings.create(model="text-embedding-3-small", input="tea", encoding_format="float")


def responses(client: Any) -> None:
    client.responses.create(model=MODEL, instructions=SYSTEM, input=QUESTION, temperature=0.5)


def connection_error(client: Any) -> None:
    from openai import APIConnectionError

    with suppress(APIConnectionError):
        client.chat.completions.create(model=MODEL, messages=MESSAGES)


CALLS = {
    "chat": chat,
    "stream": stream,
    "tool-call": tool_call,
    "embeddings": embeddings,
    "responses": responses,
    "connection-error": connection_error,
}

if __name__ == "__main__":
    os.environ.setdefault("OTEL_SERVICE_NAME", "shop")
    opened, finish = EMITTERS[sys.argv[1]]()
    CALLS[sys.argv[2]](opened)
    finish()
