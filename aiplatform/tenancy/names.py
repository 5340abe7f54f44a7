"""What can name a tenant or a project: a slug that does not begin an address of the platform's own."""

from __future__ import annotations

from typing import Final

from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.core.ids import check_slug

PAGE_NOUNS: Final = (
    "calibrations", "comparisons", "datasets", "deployments", "evaluations", "experiments", "judges", "keys", "members",
    "models", "reviews", "traces",
)  # fmt: skip
"""Pages that have short addresses: programs write them without knowing their reader's tenant."""

RESERVED: Final = (
    "api", "healthz", "mlflow", "preferences", "readyz", "sign-in", "sign-out", "static", "v1", "v2", *PAGE_NOUNS,
)  # fmt: skip
"""First segments of the platform's own addresses. A page's address is `/<tenant>/<project>/…` otherwise."""


def check_name(value: str, what: str) -> None:
    """Nothing, where `value` can name a tenant or a project.

    Args:
        value: The proposed identifier.
        what: What it names, as a catalogue text, for the error.

    Raises:
        InvalidError: It cannot.
    """
    check_slug(value, what)
    if value in RESERVED:
        raise InvalidError(
            N_("{name!r} cannot name a {what}: addresses of the platform's own begin with it."),
            hint=N_("Choose another name."),
            reason="name.reserved",
            name=value,
            what=what,
        )
