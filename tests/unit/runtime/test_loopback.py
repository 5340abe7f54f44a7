"""Sockets that Ray would open on every interface."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from aiplatform.runtime.loopback import write_haproxy_wrapper

CONFIG = """\
frontend prometheus
    bind :9101
    mode http
frontend http_frontend
    bind 127.0.0.1:8000
listen stats
  bind *:8404
  stats enable
"""


def test_the_wrapper_binds_haproxy_to_loopback_and_hands_on_every_argument(tmp_path: Path) -> None:
    program = tmp_path / "the real haproxy"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    config = tmp_path / "haproxy.cfg"
    config.write_text(CONFIG)
    wrapper = write_haproxy_wrapper(tmp_path / "state" / "haproxy", program)
    done = subprocess.run([wrapper, "-db", "-f", config, "-sf", "17"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["-db", "-f", str(config), "-sf", "17"]
    binds = [line.strip() for line in config.read_text().splitlines() if "bind" in line]
    assert binds == ["bind 127.0.0.1:9101", "bind 127.0.0.1:8000", "bind 127.0.0.1:8404"]
    assert wrapper.stat().st_mode & 0o777 == 0o700


def test_ray_still_binds_where_the_hook_expects_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook is for this very Ray: where it changes, this fails and the hook is looked at again."""
    replica = (Path(pytest.importorskip("ray").__file__).parent / "serve" / "_private" / "replica.py").read_text()
    assert "from ray._common.tls_utils import add_port_to_grpc_server" in replica
    assert 'add_port_to_grpc_server(self._server, "[::]:0")' in replica

    from ray._common import tls_utils

    from aiplatform.runtime.loopback import keep_grpc_on_loopback

    asked: list[str] = []
    monkeypatch.setattr(tls_utils, "add_port_to_grpc_server", lambda _server, address: asked.append(address))
    keep_grpc_on_loopback()
    for address in ("[::]:0", "0.0.0.0:7", "10.0.0.1:8"):
        tls_utils.add_port_to_grpc_server(None, address)
    assert asked == ["127.0.0.1:0", "127.0.0.1:7", "10.0.0.1:8"]
