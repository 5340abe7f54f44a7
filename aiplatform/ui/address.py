"""Addresses that hold the state of a page: the same page with something else chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One of several ways to see the same page."""

    name: str
    href: str
    is_current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A path and its query. Defaults are not written into it."""

    path: str
    query: Mapping[str, str]

    @classmethod
    def of(cls, request: Request, keep: Iterable[str] | None = None) -> Address:
        """The address of a request; `keep` names the parameters that belong to the page's state."""
        names = None if keep is None else frozenset(keep)
        query = {key: value for key, value in request.query_params.items() if names is None or key in names}
        return cls(path=request.url.path, query={key: value for key, value in query.items() if value != ""})

    def __str__(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    def to(self, **changes: object) -> str:
        """The same page with other values; None takes a parameter away."""
        query = {**self.query, **{key: str(value) for key, value in changes.items() if value is not None}}
        for key, value in changes.items():
            if value is None:
                query.pop(key, None)
        return f"{self.path}?{urlencode(query)}" if query else self.path

    def tabs(self, parameter: str, items: Iterable[tuple[str, str]], current: str, **reset: None) -> tuple[Tab, ...]:
        """Tabs over one parameter, from (value, name) pairs; the first one is the default and is not written.

        Args:
            parameter: Name in the query.
            items: Values with the names that are shown.
            current: The chosen value.
            reset: Parameters that a change takes away, such as `after`.
        """
        pairs = list(items)
        default = pairs[0][0] if pairs else ""
        return tuple(
            Tab(
                name=name,
                href=self.to(**{parameter: None if value == default else value}, **reset),
                is_current=value == current,
            )
            for value, name in pairs
        )
