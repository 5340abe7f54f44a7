"""Keeps two kinds of listening sockets on loopback that Ray 2.60 opens on every interface, whatever its address is.

- A Serve replica's gRPC port for calls from other replicas takes pickled arguments and asks for no token: who reaches
  it runs code here. Ray binds it to `[::]` (`ray.serve._private.replica`).
- HAProxy's metrics and statistics are bound to `*` (`ray.serve._private.haproxy_templates`).

A test compares every listening socket of a running platform with the list of those allowed, so that a Ray which opens
another one, or makes these obsolete, is noticed.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Final

EVERY_INTERFACE: Final = "[::]"
_WRAPPER: Final = """\
#!/bin/sh
# Stands for HAProxy: binds to loopback what its generated configuration binds to every interface.
for argument in "$@"; do
  if [ "$previous" = "-f" ]; then
    sed -i -E 's/^([[:space:]]*bind )(\\*)?:/\\1127.0.0.1:/' "$argument"
  fi
  previous=$argument
done
exec {program} "$@"
"""


def keep_grpc_on_loopback() -> None:
    """Make Ray bind its Python gRPC servers to loopback in this process. Called in every worker as it starts."""
    from ray._common import tls_utils

    original = tls_utils.add_port_to_grpc_server

    def on_loopback(server: Any, address: str) -> Any:
        host, _, port = address.rpartition(":")
        return original(server, f"127.0.0.1:{port}" if host in {EVERY_INTERFACE, "0.0.0.0"} else address)  # noqa: S104 - compared, not bound

    tls_utils.add_port_to_grpc_server = on_loopback


def write_haproxy_wrapper(file: Path, program: Path) -> Path:
    """Write the program that Ray runs as HAProxy, and return its path.

    Args:
        file: Where to write it.
        program: The real HAProxy.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_WRAPPER.format(program=shlex.quote(str(program))), encoding="utf-8")
    file.chmod(0o700)
    return file
