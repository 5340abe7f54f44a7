"""Called by `ray start` (through `RAY_START_HOOK`) with its parameters, before it starts anything."""

from __future__ import annotations

from typing import Any


def keep_small(parameters: Any, is_head: bool) -> None:
    """Leave out what a platform on one machine does not use: two processes, 175 MB, and a port.

    Args:
        parameters: Ray's `RayParams`, changed in place.
        is_head: Whether a head is started.
    """
    if is_head:
        parameters.ray_client_server_port = None  # the Ray client: drivers run inside, or talk HTTP
        parameters.no_monitor = True  # the autoscaler: there is one node
