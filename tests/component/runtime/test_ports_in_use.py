"""Which ports are free, on this machine's real network."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from aiplatform.core.errors import ConfigError
from aiplatform.runtime.model import candidate_blocks
from aiplatform.runtime.ports_in_use import choose_block, is_free, require_free


def _listening() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def test_a_port_in_use_is_refused_with_its_owner_and_another_port() -> None:
    with closing(_listening()) as taken:
        port = taken.getsockname()[1]
        assert not is_free("127.0.0.1", port)
        with pytest.raises(ConfigError, match=f"Port {port} on 127.0.0.1 is in use") as caught:
            require_free("127.0.0.1", port)
    assert caught.value.full_code == "up.port_in_use"
    assert caught.value.fields["other"] > port
    require_free("127.0.0.1", port)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no address '192\.0\.2\.77'"):
        require_free("192.0.2.77", 8000)


def test_a_block_with_one_port_in_use_is_passed_over() -> None:
    mark = "00000000ffffffff"
    habitual = choose_block(mark)
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", habitual.gcs))
        taken.listen()
        assert choose_block(mark).base != habitual.base
    assert habitual.base in {block.base for block in candidate_blocks(mark)}
