"""Asks the deployed assistant as any program would: the stock OpenAI client, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import aiplatform as aip
from aiplatform.client.http import PROJECT_HEADER, Client
from aiplatform.tour.assistant import NAME
from aiplatform.tour.result import Asked
from aiplatform.tracing import sdk

SAMPLE_QUESTIONS: Final = (
    "What does howto/logging-cookbook say about logging from several modules?",  # a page that was not indexed
    "Why are floating-point calculations so inaccurate?",
    "如何从源码包构建二进制包？",
    "How do I add a column to an existing table in SQLite?",  # the documentation must not answer this
)
TIMEOUT_S: Final = 120.0


def ask(question: str, client: Client, *, told: Callable[[str], None] | None = None) -> Asked:
    """One question to the deployed assistant, in a trace that begins here.

    Args:
        question: In any language.
        client: Says where the platform is, and with which key.
        told: Takes the answer's first line.
    """
    from openai import OpenAI  # noqa: PLC0415 - the stock client, needed by this step alone

    credentials = client.credentials
    aip.init(project=credentials.project_id, url=credentials.url)
    openai = OpenAI(base_url=aip.openai_url(), api_key=aip.api_key(), timeout=TIMEOUT_S)
    with aip.span("question", kind="chain", input=question) as opened:
        answer = openai.chat.completions.create(
            model=NAME,
            messages=[{"role": "user", "content": question}],
            extra_headers={"traceparent": opened.traceparent or "", PROJECT_HEADER: credentials.project_id},
        )
        message = answer.choices[0].message
        text = message.content or ""
        opened.set_output(text)
    sdk.flush()
    details = (message.model_extra or {}).get("aiplatform") or {}
    if told is not None:
        told(" ".join(text.split())[:100])
    return Asked(
        question=question,
        answer=text,
        abstained=bool(details.get("abstained")),
        confidence=float(details.get("confidence", 0.0)),
        trace_id=opened.trace_id,
    )
