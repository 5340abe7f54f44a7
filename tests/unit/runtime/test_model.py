"""Ports, marks and folders of a local Ray."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from aiplatform.runtime.model import (
    FIRST_BLOCK,
    LONGEST_SHORT_DIR,
    NUM_BLOCKS,
    Ports,
    RayState,
    candidate_blocks,
    mark_of,
    ray_home,
)

_HAPROXYS_OWN = len("/") + 56 + len("/metrics.sock")
_RAYS_OWN = len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")


@given(st.text("0123456789abcdef", min_size=16, max_size=16))
def test_every_block_lies_below_the_ephemeral_range_and_comes_once(mark: str) -> None:
    blocks = list(candidate_blocks(mark))
    assert len({block.base for block in blocks}) == NUM_BLOCKS
    assert all(block.base >= FIRST_BLOCK and block.replica_grpc.stop <= 32_768 for block in blocks)


def test_the_ports_of_a_block_do_not_overlap() -> None:
    ports = Ports(20_000)
    single = [
        value for name in vars(Ports) if isinstance(value := getattr(ports, name), int) and not name.startswith("_")
    ]
    everything = [*{*single}, *ports.replica_http, *ports.replica_grpc]
    assert len(everything) == len(set(everything))
    assert set(single) == set(ports.fixed())
    assert max(everything) < 20_128


def test_a_data_folder_has_one_mark_by_whatever_way_it_is_named(tmp_path: Path) -> None:
    link = tmp_path / "link"
    (tmp_path / "data").mkdir()
    link.symlink_to(tmp_path / "data")
    assert mark_of(link) == mark_of(tmp_path / "data" / ".." / "data")
    assert mark_of(link) != mark_of(tmp_path)


def test_sockets_below_the_temporary_folder_are_short_enough(tmp_path: Path) -> None:
    short = Path("/" + "s" * (LONGEST_SHORT_DIR - 1))
    home = ray_home(tmp_path, short_dir=short)
    assert len(str(home.temp_dir)) + _HAPROXYS_OWN <= 97
    assert len(str(home.temp_dir)) + _RAYS_OWN <= 107


def test_state_names_where_ray_answers() -> None:
    state = RayState(
        mark="m",
        temp_dir="/tmp/x",
        port_base=20_000,
        http_host="127.0.0.1",
        http_port=8000,
        fingerprint="f",
        version="0",
        started_ns=1,
    )
    assert state.dashboard_url == "http://127.0.0.1:20001"
