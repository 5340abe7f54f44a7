"""What can be done, and which role may do it: the one permission table."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from aiplatform.core.i18n import N_


class Permission(StrEnum):
    """One thing that can be done, as `<what>.<verb>`."""

    TRACES_READ = "traces.read"
    TRACES_WRITE = "traces.write"
    TRACES_DELETE = "traces.delete"
    REDACTION_READ = "redaction.read"
    REDACTION_WRITE = "redaction.write"
    RETENTION_READ = "retention.read"
    RETENTION_WRITE = "retention.write"
    SCORES_WRITE = "scores.write"
    SEARCHES_WRITE = "searches.write"
    PRICES_READ = "prices.read"
    PRICES_WRITE = "prices.write"
    DATASETS_READ = "datasets.read"
    DATASETS_WRITE = "datasets.write"
    ARTIFACTS_READ = "artifacts.read"
    ARTIFACTS_WRITE = "artifacts.write"
    EVALUATIONS_READ = "evaluations.read"
    EVALUATIONS_WRITE = "evaluations.write"
    EXPERIMENTS_READ = "experiments.read"
    EXPERIMENTS_WRITE = "experiments.write"
    MODELS_READ = "models.read"
    MODELS_WRITE = "models.write"
    PROMPTS_READ = "prompts.read"
    PROMPTS_WRITE = "prompts.write"
    TRAINING_READ = "training.read"
    TRAINING_WRITE = "training.write"
    DEPLOYMENTS_READ = "deployments.read"
    DEPLOYMENTS_WRITE = "deployments.write"
    INFERENCE_CALL = "inference.call"
    JOBS_READ = "jobs.read"
    JOBS_WRITE = "jobs.write"
    PROJECTS_READ = "projects.read"
    PROJECTS_WRITE = "projects.write"
    MEMBERS_READ = "members.read"
    MEMBERS_WRITE = "members.write"
    KEYS_READ = "keys.read"
    KEYS_WRITE = "keys.write"
    AUDIT_READ = "audit.read"
    TENANTS_READ = "tenants.read"
    TENANTS_WRITE = "tenants.write"
    SIGNED_IN = "signed_in"
    """Any known caller: who am I, which languages are there."""

    PUBLIC = "public"
    """Nobody need be known: health, sign-in, static files. Handlers of these routes get no caller."""


class Role(StrEnum):
    """What a member is, from least to most. Each role may do all that the one before it may."""

    VIEWER = "viewer"
    DEVELOPER = "developer"
    ADMIN = "admin"
    PLATFORM_ADMIN = "platform_admin"


ROLE_NAMES: Final = {
    Role.VIEWER: N_("Viewer"),
    Role.DEVELOPER: N_("Developer"),
    Role.ADMIN: N_("Tenant admin"),
    Role.PLATFORM_ADMIN: N_("Platform admin"),
}

_P = Permission
_VIEWER: Final = frozenset({_P.SIGNED_IN, _P.PROJECTS_READ} | {p for p in _P if p.endswith(".read")}) - {
    _P.MEMBERS_READ,
    _P.KEYS_READ,
    _P.AUDIT_READ,
    _P.TENANTS_READ,
    _P.REDACTION_READ,
}
_DEVELOPER: Final = _VIEWER | {
    _P.TRACES_WRITE,
    _P.SCORES_WRITE,
    _P.SEARCHES_WRITE,
    _P.DATASETS_WRITE,
    _P.ARTIFACTS_WRITE,
    _P.EVALUATIONS_WRITE,
    _P.EXPERIMENTS_WRITE,
    _P.MODELS_WRITE,
    _P.PROMPTS_WRITE,
    _P.TRAINING_WRITE,
    _P.DEPLOYMENTS_WRITE,
    _P.INFERENCE_CALL,
    _P.JOBS_WRITE,
    _P.MEMBERS_READ,
    _P.KEYS_READ,
}
_ADMIN: Final = _DEVELOPER | {
    _P.PRICES_WRITE,
    _P.PROJECTS_WRITE,
    _P.MEMBERS_WRITE,
    _P.KEYS_WRITE,
    _P.AUDIT_READ,
    _P.TRACES_DELETE,
    _P.REDACTION_READ,
    _P.REDACTION_WRITE,
    _P.RETENTION_READ,
    _P.RETENTION_WRITE,
}

ROLE_PERMISSIONS: Final = {
    Role.VIEWER: _VIEWER,
    Role.DEVELOPER: _DEVELOPER,
    Role.ADMIN: _ADMIN,
    Role.PLATFORM_ADMIN: _ADMIN | {_P.TENANTS_READ, _P.TENANTS_WRITE},
}
