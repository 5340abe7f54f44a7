"""The redaction policies of all tenants: set, removed, tried out, and known to whatever takes spans in.

Every process keeps all policies in memory and looks every two seconds whether one changed, by one small query. Where
that cannot be told, spans are refused rather than kept with their secrets: exporters send them again.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from aiplatform.core.clock import Clock
from aiplatform.core.errors import AIPlatformError, InvalidError
from aiplatform.core.i18n import N_
from aiplatform.core.scope import Scope
from aiplatform.tracing.policies import Policies
from aiplatform.tracing.redaction import Pattern, RedactionPolicy, Redactor, Replacement, find_pattern
from aiplatform.tracing.redaction_rules import RULES
from aiplatform.tracing.store.policies import PolicyKind, StoredPolicy, all_policies, in_force, policies_mark

if TYPE_CHECKING:
    from aiplatform.storage.database import Database
    from aiplatform.tenancy.model import Caller

REFRESH_S: Final = 2.0
MAX_PATTERNS: Final = 32
MAX_PATTERN: Final = 500
MAX_ATTRIBUTES: Final = 200
MAX_ATTRIBUTE: Final = 200
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactionState:
    """What is set for a tenant and for one project of it; None where nothing is."""

    tenant: RedactionPolicy | None
    project: RedactionPolicy | None

    @property
    def in_force(self) -> RedactionPolicy | None:
        """What counts in the project: its own policy instead of the tenant's, not on top of it."""
        return self.project if self.project is not None else self.tenant


class Redaction:
    """Redaction of one process. Thread safe.

    Args:
        database: Where policies rest.
        clock: What time it is.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._policies = Policies(database, clock, PolicyKind.REDACTION)
        self._redactors: Mapping[tuple[str, str], Redactor | AIPlatformError] = {}
        self._mark: tuple[int, int] | None = None
        self._checked_ns: int | None = None
        self._refreshing = threading.Lock()
        """Guards all of the above against two readers of the database; whoever only looks needs no lock."""

    @property
    def is_stale(self) -> bool:
        """Whether `of` would have to ask the database first."""
        checked_ns = self._checked_ns
        return checked_ns is None or not 0 <= self._clock.now_ns() - checked_ns < REFRESH_S * 1e9

    def of(self, scope: Scope) -> Redactor | None:
        """What takes secrets out of this project's spans; None where no policy is set.

        Raises:
            TransientError: The database cannot be reached.
            InvalidError: The policy is one that only a newer version of the platform understands.
        """
        if self.is_stale:
            self.refresh()
        if not self._redactors:
            return None
        found = in_force(self._redactors, scope)
        if isinstance(found, AIPlatformError):
            raise found
        redactor: Redactor | None = found
        return redactor

    def refresh(self) -> None:
        """Look whether a policy changed, and read them anew where one did.

        Raises:
            TransientError: The database cannot be reached.
        """
        with self._refreshing:
            now_ns = self._clock.now_ns()
            with self._database.system("read redaction policies", write=False) as tx:
                mark = policies_mark(tx, PolicyKind.REDACTION)
                if mark != self._mark:
                    stored = all_policies(tx, PolicyKind.REDACTION) if mark[0] else []
                    self._redactors = {(one.tenant_id, one.project_id): _redactor(one) for one in stored}
                    self._mark = mark
            self._checked_ns = now_ns

    def state(self, caller: Caller) -> RedactionState:
        """What is set for the caller's tenant and project."""
        whole, own = self._policies.of(caller)
        return RedactionState(
            tenant=read_policy(whole.policy) if whole else None, project=read_policy(own.policy) if own else None
        )

    def set(self, caller: Caller, given: Mapping[str, Any], *, whole_tenant: bool) -> RedactionPolicy:
        """Set the policy of the caller's project, or of every project that has none of its own. Audited.

        Raises:
            InvalidError: A rule, pattern or name is wrong.
            PermissionDeniedError: The key belongs to one project, and the whole tenant is meant.
        """
        policy = read_policy(given)
        self._policies.set(caller, policy_json(policy), whole_tenant=whole_tenant, told={"rules": policy.rules})
        self.refresh()
        return policy

    def remove(self, caller: Caller, *, whole_tenant: bool) -> bool:
        """Take a policy away; returns whether there was one. Audited.

        Raises:
            PermissionDeniedError: The key belongs to one project, and the whole tenant is meant.
        """
        is_removed = self._policies.remove(caller, whole_tenant=whole_tenant)
        self.refresh()
        return is_removed

    def preview(
        self, caller: Caller, texts: Sequence[str], given: Mapping[str, Any] | None
    ) -> tuple[Sequence[str], Mapping[str, int]]:
        """Texts as a policy would leave them, and how often each kind was found. Nothing is kept.

        Args:
            caller: For whose project.
            texts: What might come; a text of JSON is looked into.
            given: A policy to try; by default the one in force.

        Raises:
            InvalidError: A rule, pattern or name is wrong.
        """
        policy = read_policy(given) if given is not None else self.state(caller).in_force
        if policy is None:
            return texts, {}
        counts: Counter[str] = Counter()
        redactor = Redactor(policy, self._secret(caller), counts=counts)
        return [redactor.text(text) for text in texts], dict(counts)

    def _secret(self, caller: Caller) -> bytes:
        whole, own = self._policies.of(caller)
        stored = own or whole
        return stored.secret if stored else b"preview"


def read_policy(given: Mapping[str, Any]) -> RedactionPolicy:
    """A policy from its JSON form.

    Raises:
        InvalidError: A rule, pattern or name is wrong; the error names it.
    """
    rules = _texts(given, "rules")
    for rule in rules:
        if rule not in RULES:
            raise InvalidError(
                N_("There is no redaction rule {rule!r}."),
                hint=N_("Rules are {known}."),
                reason="redaction.rule",
                rule=rule,
                known=", ".join(RULES),
            )
    patterns = given.get("patterns") or []
    if not isinstance(patterns, Sequence) or len(patterns) > MAX_PATTERNS:
        raise _too_many("patterns", MAX_PATTERNS)
    attributes = _texts(given, "attributes")
    if len(attributes) > MAX_ATTRIBUTES or any(not 1 <= len(name) <= MAX_ATTRIBUTE for name in attributes):
        raise _too_many("attributes", MAX_ATTRIBUTES)
    return RedactionPolicy(
        rules=tuple(name for name in RULES if name in rules),
        patterns=tuple(_pattern(one) for one in patterns),
        attributes=tuple(attributes),
        replacement=_replacement(given.get("replacement", Replacement.LABEL.value)),
    )


def policy_json(policy: RedactionPolicy) -> dict[str, Any]:
    """A policy's JSON form."""
    found = asdict(policy)
    return {**found, "rules": [*policy.rules], "patterns": [*found["patterns"]], "attributes": [*policy.attributes]}


def _redactor(stored: StoredPolicy) -> Redactor | AIPlatformError:
    try:
        return Redactor(read_policy(stored.policy), stored.secret)
    except InvalidError as error:
        return error  # raised for this tenant alone, whose spans must not be kept unread


def _texts(given: Mapping[str, Any], name: str) -> list[str]:
    value = given.get(name) or []
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise InvalidError(N_("{name} must be a list of texts."), reason="redaction.form", name=name)
    return [*value]


def _replacement(value: Any) -> Replacement:
    if value not in [*Replacement]:
        raise InvalidError(
            N_("{value!r} cannot stand in place of a secret."),
            hint=N_("Choose label or hash."),
            reason="redaction.replacement",
            value=value,
        )
    return Replacement(value)


def _pattern(given: Any) -> Pattern:
    name = given.get("name") if isinstance(given, Mapping) else None
    pattern = given.get("pattern") if isinstance(given, Mapping) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in RULES:
        raise InvalidError(
            N_("{name!r} cannot name a pattern."),
            hint=N_("Use 1 to 32 lower-case letters, digits, - and _, and no rule's name."),
            reason="redaction.pattern_name",
            name=name,
        )
    if not isinstance(pattern, str) or not 1 <= len(pattern) <= MAX_PATTERN:
        raise _bad_pattern(name, f"1–{MAX_PATTERN}")
    try:
        finds_nothing = not [*find_pattern(pattern, "")]
    except ValueError as error:
        raise _bad_pattern(name, str(error)[:200]) from None
    if not finds_nothing:
        raise _bad_pattern(name, "''")
    return Pattern(name=name, pattern=pattern)


def _bad_pattern(name: str, problem: str) -> InvalidError:
    return InvalidError(
        N_("The pattern {name!r} cannot be used: {problem}."),
        hint=N_("Write a regular expression for one character or more, without look-around and back references."),
        reason="redaction.pattern",
        name=name,
        problem=problem,
    )


def _too_many(name: str, limit: int) -> InvalidError:
    return InvalidError(
        N_("{name} may hold {limit} entries of a bounded length."), reason="redaction.size", name=name, limit=limit
    )
