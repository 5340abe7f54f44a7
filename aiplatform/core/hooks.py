"""What must happen across rooms without an import: pluggy hooks that each room may implement.

Plug-ins are found through the entry-point group `aiplatform.plugins`; the platform's own rooms register the same way,
in the gateway.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from aiplatform.core.scope import Scope

PROJECT: Final = "aiplatform"
ENTRY_POINT_GROUP: Final = "aiplatform.plugins"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Hooks:
    """Every hook, with what it promises."""

    @hookspec
    def delete_scope(self, scope: Scope) -> None:
        """Remove everything this room keeps of a tenant, or of one project of it. Repeating it changes nothing."""

    @hookspec
    def periodic(self) -> Iterable[tuple[str, float, Any]]:  # type: ignore[empty-body]
        """Work for the worker: (name, seconds between two runs, callable without arguments)."""


def plugin_manager() -> pluggy.PluginManager:
    """A manager that knows the hooks; installed plug-ins are loaded only when `load_installed` asks."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(Hooks)
    return manager


def load_installed(manager: pluggy.PluginManager) -> int:
    """Load every installed plug-in; returns how many."""
    return manager.load_setuptools_entrypoints(ENTRY_POINT_GROUP)
