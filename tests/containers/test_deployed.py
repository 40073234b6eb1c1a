"""The Compose file that a deploy brings: the release of the box's disk over an image of nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from edgepack.containers import compose, deployed
from edgepack.errors import InputError

from .samples import MQTT, made

RELEASE = "ab" * 32
NODE = {"target": "raspberry-pi-4", "address": "192.0.2.7", "runs": "compose"}


def rendered(
    folder: Path, libc: str = "static", node: dict[str, Any] | None = None, **more: Any
) -> tuple[dict[str, Any], tuple[str, ...]]:
    nodes = {"b": {**NODE, **(node or {})}}
    one, name, fleet_node = made(folder, nodes=nodes, **more)
    file, warnings = deployed.render(compose.Box(name, fleet_node, (one,)), RELEASE, libc)
    return yaml.safe_load(file), warnings


def test_it_runs_the_release_of_the_box_as_the_account_and_nothing_restarts_it(tmp_path: Path) -> None:
    file, warnings = rendered(tmp_path)
    assert (list(file), list(file["services"]), warnings) == (["services"], ["doors"], ())
    one = file["services"]["doors"]
    place = f"/releases/{RELEASE}"
    assert one["image"] == deployed.NO_BASE
    assert one["entrypoint"] == [f"{place}/bin/doors"]
    assert one["healthcheck"]["test"][:2] == ["CMD", f"{place}/bin/doors"]
    assert one["user"] == "${EDGEPACK_USER}"
    assert one["restart"] == "no"
    assert one["volumes"][:2] == [
        {"type": "bind", "source": "${EDGEPACK_RELEASE}", "target": place, "read_only": True},
        {"type": "bind", "source": "${EDGEPACK_DATA}", "target": "/data"},
    ]
    assert (one["read_only"], one["cap_drop"]) == (True, ["ALL"])


def test_what_the_fleet_says_is_no_variable_of_compose(tmp_path: Path) -> None:
    file, _ = rendered(tmp_path, node={"zone": "$HOME ${x}"})
    assert file["services"]["doors"]["environment"]["TZ"] == "$$HOME $${x}"


def test_a_program_with_a_libc_needs_a_base(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="doors needs glibc") as refused:
        rendered(tmp_path, "glibc 2.31")
    assert "base" in refused.value.fix
    file, _ = rendered(tmp_path, "glibc 2.31", {"base": "debian:12-slim"})
    assert file["services"]["doors"]["image"] == "debian:12-slim"


def test_a_broker_on_the_box_is_told_and_not_started(tmp_path: Path) -> None:
    file, warnings = rendered(tmp_path, sink=[MQTT])
    assert list(file["services"]) == ["doors"]
    assert "depends_on" not in file["services"]["doors"]
    assert ["mqtt at 127.0.0.1:1883" in line for line in warnings] == [True]
