"""Every table of the platform, one module a room; importing this package declares them all."""

from aiplatform.storage.tables import jobs, registry, serve, tenancy, tracing, train
from aiplatform.storage.tables.base import metadata

__all__ = ["jobs", "metadata", "registry", "serve", "tenancy", "tracing", "train"]
