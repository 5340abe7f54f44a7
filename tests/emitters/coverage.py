"""Writes docs/trace-coverage.md in both languages, from what the emitters were captured to send.

Usage: python -m tests.emitters.coverage
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.emitters.emitters import CALLS, EMITTERS, capture_file, captured
from tests.emitters.records import EXPECTED, details_in, model_call, record_of

DOCS = Path(__file__).resolve().parents[2] / "docs"

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Which emitter tells what",
        "intro": (
            "Six packages made the same six calls to a provider that always answers the same. ✓: the record is whole,\n"
            "and the same for all. Otherwise the fields that the package does not send. `make test-emitters` captures\n"
            "anew; this page is written by `python -m tests.emitters.coverage`."
        ),
        "package": "Package",
        "none": "no span",
        "chat": "chat",
        "stream": "stream",
        "tool-call": "tool call",
        "embeddings": "embeddings",
        "responses": "responses",
        "connection-error": "connection error",
        "provider": "provider",
        "request_model": "model asked for",
        "response_model": "model that answered",
        "input_messages": "messages in",
        "output_messages": "messages out",
        "finish_reasons": "finish reason",
        "input_tokens": "tokens in",
        "output_tokens": "tokens out",
        "cache_read_tokens": "cached tokens",
        "error": "error",
        "status": "status",
        "kind": "kind",
        "operation": "operation",
        "note": (
            "The record holds kind, operation, provider, both models, messages with tool calls, finish reason, tokens\n"
            "(cached ones too), status and error. `openai-v2` sends its messages as log records, which are joined."
        ),
    },
    "zh": {
        "title": "各工具能提供哪些信息",
        "intro": (
            "六个软件包向一个回答固定的服务发出同样的六种调用。✓ 表示得到同一份完整记录；\n"
            "否则列出该软件包没有发送的字段。"
            "`make test-emitters` 会重新采集；本页由 `python -m tests.emitters.coverage` 生成。"
        ),
        "package": "软件包",
        "none": "无跨度",
        "chat": "对话",
        "stream": "流式",
        "tool-call": "工具调用",
        "embeddings": "向量嵌入",
        "responses": "Responses",
        "connection-error": "连接错误",
        "provider": "提供商",
        "request_model": "请求的模型",
        "response_model": "应答的模型",
        "input_messages": "输入消息",
        "output_messages": "输出消息",
        "finish_reasons": "结束原因",
        "input_tokens": "输入 token",
        "output_tokens": "输出 token",
        "cache_read_tokens": "缓存 token",
        "error": "错误",
        "status": "状态",
        "kind": "种类",
        "operation": "操作",
        "note": (
            "记录包括种类、操作、提供商、两个模型名、消息与工具调用、结束原因、token 数（含缓存）、状态和错误。\n"
            "`openai-v2` 以日志记录发送消息内容，平台会将其并入跨度。"
        ),
    },
}


def differences(emitter: str, call: str) -> list[str] | None:
    """Fields in which the record of an emitter's call is not the expected one; None where it makes no span."""
    if not capture_file(emitter, call).exists():
        return None
    found = model_call(details_in(captured(emitter, call), captured(emitter, call, "logs")))
    if found is None:
        return None
    record = record_of(found)
    return [name for name, value in EXPECTED[call].items() if record[name] != value]


def page(language: str) -> str:
    """The page, in `en` or `zh`."""
    words = _WORDS[language]
    lines = [f"# {words['title']}", "", words["intro"], ""]
    lines.append("| " + " | ".join([words["package"], *(words[call] for call in CALLS)]) + " |")
    lines.append("|---" * (len(CALLS) + 1) + "|")
    for emitter in EMITTERS.values():
        cells = [emitter.package]
        for call in CALLS:
            missing = differences(emitter.name, call)
            if missing is None:
                cells.append(words["none"])
            else:
                cells.append(", ".join(words[name] for name in missing) or "✓")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", words["note"], ""])


def file_of(language: str) -> Path:
    """Where the page is kept."""
    return (DOCS / "zh" if language == "zh" else DOCS) / "trace-coverage.md"


if __name__ == "__main__":
    for language in _WORDS:
        file_of(language).write_text(page(language), "utf-8")
