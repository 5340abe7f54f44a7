"""Every table of the platform, one module a room; importing this package declares them all."""

from aiplatform.storage.tables import evaluations, gateway, jobs, registry, serve, tenancy, tracing, train
from aiplatform.storage.tables.base import metadata

__all__ = ["evaluations", "gateway", "jobs", "metadata", "registry", "serve", "tenancy", "tracing", "train"]
