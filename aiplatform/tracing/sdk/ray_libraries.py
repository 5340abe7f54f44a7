"""Ray Data, Ray Train and Ray Serve in this process: what users hand them continues the open span."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from aiplatform.tracing.sdk.carriers import bound, served
from aiplatform.tracing.sdk.post_import import when_imported
from aiplatform.tracing.sdk.ray_context import SERVE_KEYWORD, outgoing

_is_installed = False


def install() -> None:
    """Teach each library, now or when the application imports it."""
    global _is_installed
    if _is_installed:
        return
    _is_installed = True
    when_imported("ray.data.dataset", _teach_data)
    when_imported("ray.data.grouped_data", _teach_groups)
    when_imported("ray.train.v2.api.data_parallel_trainer", _teach_train)
    when_imported("ray.serve._private.config", _teach_deployments)
    when_imported("ray.serve.handle", _teach_handles)


def _teach_data(module: ModuleType) -> None:
    for name, place in {"map": 0, "map_batches": 0, "flat_map": 0, "filter": 0, "add_column": 1}.items():
        setattr(module.Dataset, name, _takes_function(getattr(module.Dataset, name), place))


def _teach_groups(module: ModuleType) -> None:
    module.GroupedData.map_groups = _takes_function(module.GroupedData.map_groups, 0)


def _takes_function(original: Callable[..., Any], place: int) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(args) > place:
            args = (*args[:place], bound(args[place], outgoing()), *args[place + 1 :])
        elif kwargs.get("fn") is not None:
            kwargs["fn"] = bound(kwargs["fn"], outgoing())
        return original(self, *args, **kwargs)

    return call


def _teach_train(module: ModuleType) -> None:
    original = module.DataParallelTrainer.fit

    @functools.wraps(original)
    def fit(self: Any) -> Any:
        given = self.train_loop_per_worker
        self.train_loop_per_worker = bound(given, outgoing())
        try:
            return original(self)
        finally:
            self.train_loop_per_worker = given

    module.DataParallelTrainer.fit = fit


def _teach_deployments(module: ModuleType) -> None:
    original = module.ReplicaConfig.create.__func__

    @functools.wraps(original)
    def create(cls: Any, deployment_def: Any, *args: Any, **kwargs: Any) -> Any:
        return original(cls, served(deployment_def), *args, **kwargs)

    module.ReplicaConfig.create = classmethod(create)


def _teach_handles(module: ModuleType) -> None:
    owner = next(cls for cls in module.DeploymentHandle.__mro__ if "_remote" in vars(cls))
    original = owner._remote

    @functools.wraps(original)
    def remote(self: Any, args: Any, kwargs: Any) -> Any:
        payload = outgoing()
        # Serve's local testing has no replica that takes the keyword off again.
        if payload is not None and type(self._init_router()).__name__ != "LocalRouter":
            kwargs = {**kwargs, SERVE_KEYWORD: payload}
        return original(self, args, kwargs)

    owner._remote = remote
