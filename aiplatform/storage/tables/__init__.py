"""Every table of the platform, one module a room; importing this package declares them all."""

from aiplatform.storage.tables import evaluations, gateway, jobs, judging, registry, serve, tenancy, tracing, train
from aiplatform.storage.tables.base import metadata

__all__ = ["evaluations", "gateway", "jobs", "judging", "metadata", "registry", "serve", "tenancy", "tracing", "train"]
