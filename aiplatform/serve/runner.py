"""Runs a user's model class: finds it, makes it, calls it, and turns what comes back into the protocol's parts.

A class offers `chat(messages, **options)`, `embed(inputs)` or `infer(inputs)`. Each may be a plain function, a
coroutine, or (for `chat`) a generator of either kind. Options that a method does not take are left out.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

from aiplatform.core.errors import AIPlatformError, ConfigError, InvalidError, RemoteError
from aiplatform.core.i18n import N_
from aiplatform.serve.ports import Method
from aiplatform.serve.tensors import arrays_from, outputs_from

NUM_THREADS: Final = 32
"""Calls of plain functions that run at the same time; further ones wait."""

_END: Final = object()
_CHAT_OWN_FIELDS: Final = frozenset({"model", "messages"})


def load_class(import_path: str, folder: Path | None = None) -> type[Any]:
    """The class that `package.module:Class` names.

    Args:
        import_path: Where it is.
        folder: A folder of the user's modules, put first on the import path.

    Raises:
        ConfigError: It cannot be imported, or is no class.
    """
    if folder is not None and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    module_name, _, qualified = import_path.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in qualified.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            N_("The class {import_path!r} cannot be imported: {problem}."),
            hint=N_("Install its package where the platform runs, or send its folder with `code`."),
            reason="model.import",
            import_path=import_path,
            problem=str(error),
        ) from error
    if not isinstance(found, type):
        raise ConfigError(N_("{import_path!r} is no class."), reason="model.import", import_path=import_path)
    return found


class ModelRunner:
    """One model, made and ready to be asked."""

    def __init__(self, name: str, model: Any, method: Method) -> None:
        """Keep the model, where it offers what it shall be asked.

        Raises:
            ConfigError: It does not.
        """
        if not callable(getattr(model, method.value, None)):
            raise ConfigError(
                N_("The class {class_name!r} has no method {method!r}."),
                hint=N_("A chat model offers chat(messages, **options), any other infer(inputs)."),
                reason="model.method",
                class_name=type(model).__qualname__,
                method=method.value,
            )
        self._name = name
        self._model = model
        self._threads = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="model")

    async def call(self, method: Method, request: Mapping[str, Any]) -> dict[str, Any]:
        """The whole answer.

        Raises:
            AIPlatformError: As the model raised it, or `RemoteError` with its sentence.
        """
        with _told(self._name):
            if method is Method.CHAT:
                return await self._chat(request)
            if method is Method.EMBED:
                return await self._embed(request)
            return await self._infer(request)

    async def stream(self, request: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """The parts of a chat answer, as they come.

        Raises:
            AIPlatformError: As `call` does.
        """
        with _told(self._name):
            result = await self._invoke(Method.CHAT, request["messages"], {**_options(request), "stream": True})
            async for item in _items(result, self._threads):
                yield _part(item)

    async def _chat(self, request: Mapping[str, Any]) -> dict[str, Any]:
        result = await self._invoke(Method.CHAT, request["messages"], _options(request))
        if isinstance(result, str | Mapping):
            return _answer(result)
        return joined([_part(item) async for item in _items(result, self._threads)])

    async def _embed(self, request: Mapping[str, Any]) -> dict[str, Any]:
        given = request["input"]
        inputs = [given] if isinstance(given, str) else list(given)
        result = await self._invoke(Method.EMBED, inputs, _options(request))
        vectors = [list(map(float, vector)) for vector in result]
        if len(vectors) != len(inputs):
            raise RemoteError(
                N_("The model {name!r} gave {given} embeddings for {wanted} inputs."),
                reason="model.embeddings",
                name=self._name,
                given=len(vectors),
                wanted=len(inputs),
            )
        return {"embeddings": vectors}

    async def _infer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        parameters = request.get("parameters") or {}
        result = await self._invoke(Method.INFER, arrays_from(request), {"parameters": parameters})
        asked = request.get("outputs")
        wanted = [str(one["name"]) for one in asked if isinstance(one, Mapping) and "name" in one] if asked else None
        return {"id": request.get("id"), "outputs": outputs_from(result, wanted)}

    async def _invoke(self, method: Method, first: Any, options: Mapping[str, Any]) -> Any:
        function = getattr(self._model, method.value, None)
        if not callable(function):
            raise InvalidError(
                N_("The model {name!r} does not offer {method!r}."),
                hint=N_("Its class has no method of this name."),
                reason="model.not_offered",
                name=self._name,
                method=method.value,
            )
        taken = _taken(function, options)
        if inspect.iscoroutinefunction(function):
            return await function(first, **taken)
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            return function(first, **taken)
        context = contextvars.copy_context()
        work = partial(context.run, function, first, **taken)
        result = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        return await result if inspect.isawaitable(result) else result


def joined(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The whole answer that streamed parts come down to."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    finish_reason, usage = None, None
    calls: dict[int, dict[str, Any]] = {}
    for part in parts:
        for choice in part["chunk"].get("choices", []) if "chunk" in part else [part]:
            _join_delta(message, calls, choice.get("delta") or {})
            finish_reason = choice.get("finish_reason") or finish_reason
        usage = (part.get("chunk") or part).get("usage") or usage
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    return {"message": message, "finish_reason": finish_reason or ("tool_calls" if calls else "stop"), "usage": usage}


def _join_delta(message: dict[str, Any], calls: dict[int, dict[str, Any]], delta: Mapping[str, Any]) -> None:
    for key, value in delta.items():
        if key == "tool_calls":
            for call in value:
                _join_call(calls, call)
        elif isinstance(value, str) and key != "role":
            message[key] = (message.get(key) or "") + value
        elif value is not None:
            message[key] = value


def _join_call(calls: dict[int, dict[str, Any]], call: Mapping[str, Any]) -> None:
    index = call.get("index", len(calls))
    known = calls.setdefault(index, {"type": "function", "function": {"name": "", "arguments": ""}})
    known.update({key: call[key] for key in ("id", "type") if call.get(key)})
    for key, value in (call.get("function") or {}).items():
        known["function"][key] = known["function"].get(key, "") + (value or "")


def _answer(result: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(result, str):
        return {"message": {"role": "assistant", "content": result}, "finish_reason": "stop", "usage": None}
    if "choices" in result:
        return {"completion": dict(result)}
    message = {key: value for key, value in result.items() if key not in {"usage", "finish_reason"}}
    message = {"role": "assistant", "content": None, **message}
    default = "tool_calls" if message.get("tool_calls") else "stop"
    return {
        "message": message,
        "finish_reason": result.get("finish_reason") or default,
        "usage": result.get("usage"),
    }


def _part(item: Any) -> dict[str, Any]:
    if isinstance(item, str):
        return {"delta": {"content": item}}
    if isinstance(item, Mapping):
        if "choices" in item:
            return {"chunk": dict(item)}
        part: dict[str, Any] = {key: item[key] for key in ("usage", "finish_reason") if item.get(key)}
        delta = {key: value for key, value in item.items() if key not in {"usage", "finish_reason"}}
        return {**part, "delta": delta} if delta else part
    raise RemoteError(
        N_("The model yielded {kind}; texts and dictionaries can be streamed."),
        reason="model.part",
        kind=type(item).__name__,
    )


async def _items(result: Any, threads: Executor) -> AsyncIterator[Any]:
    """What a result consists of; a generator's own code runs in threads, always in one and the same context."""
    if isinstance(result, str):
        yield result
    elif isinstance(result, Mapping):
        answer = _answer(result)
        yield (
            from_completion(answer["completion"])
            if "completion" in answer
            else {
                **answer["message"],
                "finish_reason": answer["finish_reason"],
                "usage": answer["usage"],
            }
        )
    elif isinstance(result, AsyncIterator):
        async for item in result:
            yield item
    elif isinstance(result, Iterator):
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        try:
            while (item := await loop.run_in_executor(threads, context.run, _next, result)) is not _END:
                yield item
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                await asyncio.shield(loop.run_in_executor(threads, context.run, close))
    else:
        raise RemoteError(
            N_("The model returned {kind}; a text, a dictionary or a generator is needed."),
            reason="model.result",
            kind=type(result).__name__,
        )


def _next(items: Iterator[Any]) -> Any:
    return next(items, _END)


def from_completion(completion: Mapping[str, Any]) -> dict[str, Any]:
    """A whole completion as the one chunk that says the same."""
    choices = [
        {
            "index": choice.get("index", 0),
            "delta": _indexed(choice.get("message") or {}),
            "finish_reason": choice.get("finish_reason"),
        }
        for choice in completion["choices"]
    ]
    return {**completion, "object": "chat.completion.chunk", "choices": choices}


def _indexed(message: Mapping[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not calls:
        return dict(message)
    return {**message, "tool_calls": [{"index": index, **call} for index, call in enumerate(calls)]}


def _options(request: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in request.items() if key not in _CHAT_OWN_FIELDS and key not in _NOT_OPTIONS}


_NOT_OPTIONS: Final = frozenset({"stream", "stream_options", "input", "encoding_format"})


def _taken(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        named = {parameter.name for parameter in parameters}
        # `stream` is a hint for those who name it; to pass it on unasked would surprise an SDK behind **options.
        return {key: value for key, value in options.items() if key != "stream" or key in named}
    return {key: options[key] for key in options if key in {parameter.name for parameter in parameters}}


class _told:  # noqa: N801 - used as a context manager's name
    """Turns what the user's code raises into a `RemoteError` with its sentence; errors of the tree pass as they are."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, AIPlatformError) or not isinstance(error, Exception):
            return
        raise RemoteError(
            N_("The model {name!r} failed: {problem}"),
            hint=N_("The trace shows where; the deployment's log has the traceback."),
            reason="model.failed",
            name=self._name,
            problem=f"{type(error).__name__}: {error}",
        ) from error
