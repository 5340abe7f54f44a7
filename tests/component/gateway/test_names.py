"""No tenant is called as one of the platform's own addresses begins: its pages would be out of reach."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aiplatform.core.settings import load
from aiplatform.gateway.platform_app import build_platform
from aiplatform.gateway.serve_config import APPLICATIONS
from aiplatform.tenancy.names import PAGE_NOUNS, RESERVED
from aiplatform.tenancy.routing import declared_routes
from tests.component.gateway.house import SEAL_SECRET, HouseRooms

SLUG = re.compile(r"[a-z][-a-z0-9]*")


@pytest.fixture
def firsts(tmp_path: Path) -> set[str]:
    """First segments of every address that the platform answers."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "control-secret").write_text(SEAL_SECRET)
    rooms = HouseRooms(load(environment={}, flags={"data_dir": str(tmp_path)}).settings, "http://127.0.0.1:1")
    paths = [route.path for route in declared_routes(build_platform(rooms))]
    rooms.close()
    paths += [one.route_prefix for one in APPLICATIONS if one.route_prefix is not None]
    return {path.split("/")[1] for path in paths}


def test_every_address_of_the_platforms_own_is_reserved_and_nothing_else(firsts: set[str]) -> None:
    assert {first for first in firsts if SLUG.fullmatch(first)} | set(PAGE_NOUNS) == set(RESERVED)


def test_a_first_segment_that_varies_is_a_tenant_or_a_noun(firsts: set[str]) -> None:
    assert {first for first in firsts if first.startswith("{")} == {"{tenant:tenant}", "{noun:noun}"}
