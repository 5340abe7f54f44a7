"""One Ray-native AI platform: trace, evaluate, train and serve, with isolated tenants.

    import aiplatform as aip

    aip.init(project="docs-assistant")


    @aip.trace(kind="retriever")
    def search(question: str) -> list[str]: ...

Everything here is loaded when it is first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aiplatform.client.credentials import api_key, openai_url
    from aiplatform.eval import api as evaluations
    from aiplatform.eval.judging import api as judges
    from aiplatform.eval.online import api as online
    from aiplatform.eval.reviewing import api as reviews
    from aiplatform.jobs import api as jobs
    from aiplatform.registry import datasets_api as datasets
    from aiplatform.registry import experiments_api as experiments
    from aiplatform.registry import models_api as models
    from aiplatform.serve import api as deployments
    from aiplatform.tracing import api as traces
    from aiplatform.tracing.sdk import (
        autotrace,
        current_span,
        flush,
        init,
        openai_chat,
        span,
        stop_autotrace,
        trace,
        tracing_stats,
    )
    from aiplatform.train import api as training

__version__: Final = "0.1.0"

__all__ = [
    "__version__",
    "api_key",
    "autotrace",
    "current_span",
    "datasets",
    "deployments",
    "evaluations",
    "experiments",
    "flush",
    "init",
    "jobs",
    "judges",
    "models",
    "online",
    "openai_chat",
    "openai_url",
    "reviews",
    "span",
    "stop_autotrace",
    "trace",
    "traces",
    "tracing_stats",
    "training",
]

_MODULES: Final = {
    "datasets": "aiplatform.registry.datasets_api",
    "deployments": "aiplatform.serve.api",
    "evaluations": "aiplatform.eval.api",
    "experiments": "aiplatform.registry.experiments_api",
    "jobs": "aiplatform.jobs.api",
    "judges": "aiplatform.eval.judging.api",
    "models": "aiplatform.registry.models_api",
    "online": "aiplatform.eval.online.api",
    "reviews": "aiplatform.eval.reviewing.api",
    "traces": "aiplatform.tracing.api",
    "training": "aiplatform.train.api",
}
_FUNCTIONS: Final = {
    "api_key": "aiplatform.client.credentials",
    "autotrace": "aiplatform.tracing.sdk",
    "current_span": "aiplatform.tracing.sdk",
    "flush": "aiplatform.tracing.sdk",
    "init": "aiplatform.tracing.sdk",
    "openai_chat": "aiplatform.tracing.sdk",
    "openai_url": "aiplatform.client.credentials",
    "span": "aiplatform.tracing.sdk",
    "stop_autotrace": "aiplatform.tracing.sdk",
    "trace": "aiplatform.tracing.sdk",
    "tracing_stats": "aiplatform.tracing.sdk",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        value: Any = import_module(_MODULES[name])
    elif name in _FUNCTIONS:
        value = getattr(import_module(_FUNCTIONS[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
