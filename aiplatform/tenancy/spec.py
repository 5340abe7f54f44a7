"""A tenant's specification: one YAML file that says who belongs to it, what it is divided into and what it may use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ByteSize, ConfigDict, Field, TypeAdapter, ValidationError

from aiplatform.core.documents import read_fields
from aiplatform.core.errors import InvalidError
from aiplatform.core.i18n import N_
from aiplatform.tenancy.limits import Limits
from aiplatform.tenancy.permissions import Role

_HINT = N_("`aiplatform tenants schema` prints what a specification may hold.")
_SIZE: TypeAdapter[int] = TypeAdapter(ByteSize)

Count = Annotated[int, Field(ge=0, le=2**53)]


def _size(value: Any) -> Any:
    return int(_SIZE.validate_python(value)) if isinstance(value, str) else value


Size = Annotated[Count, BeforeValidator(_size, json_schema_input_type=int | str)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ProjectSpec(_Section):
    """A part of the tenant's work."""

    id: str
    """A DNS label of at most 40 characters."""

    name: str = ""
    """As people read it; by default the id."""


class MemberSpec(_Section):
    """A person of the tenant."""

    email: str
    role: Role = Role.DEVELOPER
    name: str = ""
    """As people read it; by default the address."""


class QuotaSpec(_Section):
    """What the tenant may use; what is not named is not limited."""

    requests_per_minute: Count | None = None
    """Requests by keys, HTTP and gRPC together, in a minute of UTC. Pages in a browser do not count."""

    concurrent_requests: Count | None = None
    """Requests by keys that run at a time."""

    spans_per_day: Count | None = None
    """Spans that are stored in a day of UTC."""

    span_bytes_per_day: Size | None = None
    """Bytes of decompressed requests whose spans and log records are stored in a day of UTC: `10GiB`."""

    @property
    def limits(self) -> Limits:
        """The same, as entries enforce it."""
        return Limits(**self.model_dump())


class TenantSpec(_Section):
    """One tenant."""

    tenant: str
    """Its id: a DNS label of at most 40 characters."""

    name: str = ""
    """As people read it; by default the id."""

    projects: tuple[ProjectSpec, ...] = ()
    """Those that must be there, beside `default`. One that is not named stays: taking it away would delete its data."""

    members: Annotated[tuple[MemberSpec, ...], Field(min_length=1)]
    """Everybody, at least one of them an admin. Whoever is not named is taken out."""

    quotas: QuotaSpec = QuotaSpec()


def parse_tenant_spec(document: Mapping[str, Any] | None) -> TenantSpec:
    """The specification that a document holds.

    Raises:
        InvalidError: It does not; the message names the field.
    """
    try:
        return TenantSpec.model_validate(document or {})
    except ValidationError as error:
        first = error.errors()[0]
        raise InvalidError(
            N_("The tenant's specification is wrong at {field!r}: {problem}."),
            hint=_HINT,
            reason="tenant.spec",
            field=".".join(str(part) for part in first["loc"]) or "specification",
            problem=first["msg"],
        ) from None


def load_tenant_spec(path: Path) -> TenantSpec:
    """The specification in a YAML file.

    Raises:
        ConfigError: The file cannot be read, or is not YAML.
        InvalidError: It is no specification.
    """
    return parse_tenant_spec(read_fields(path, hint=_HINT, reason="tenant.spec"))
