"""What is written, read by what others wrote: the Compose Specification's schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgepack.cli.main import main
from edgepack.tools import uv
from edgepack.tools.runner import Completed, command, run

from .samples import HTTP, MQTT, REDIS, write

CHECKERS = Path(__file__).with_name("checkers.txt")
NODES = {
    "box-07": {
        "target": "raspberry-pi-4",
        "address": "192.0.2.7",
        "secrets": {"mqtt": {"env": "MQTT"}},
        "zone": "Europe/Zurich",
    },
    "box-08": {"target": "rk3588", "address": "192.0.2.8"},
    "box-09": {"target": "jetson-orin-nano", "address": "192.0.2.9"},
    "box-10": {"target": "atlas-300i", "address": "192.0.2.10", "limits": {"memory_mb": 512}},
    "box-11": {"target": "aarch64", "address": "192.0.2.11"},
}
PROJECTS: list[dict[str, Any]] = [
    {},
    {"source": HTTP, "sink": []},
    {"sink": [MQTT | {"user": "box", "password_file": "secrets/mqtt"}, REDIS], "metrics": {"port": 9100}},
    {"sink": {"kind": "http", "url": "http://192.0.2.9/", "token_file": "/etc/a b"}},
    {"form": "service", "service": {"address": "0.0.0.0", "grpc": None}},
]


def checker(name: str, *words: str | Path) -> Completed:
    python = uv.environment(CHECKERS, "3.11")
    return run(command(python.with_name(name), *words, timeout_s=600))


@pytest.mark.slow
def test_compose_files_are_of_the_compose_specification(tmp_path: Path) -> None:
    written: list[Path] = []
    for number, more in enumerate(PROJECTS):
        folder = write(tmp_path / str(number), nodes=NODES, **more)
        assert main(["export", "compose", "-C", str(folder)]) == 0
        written += sorted((folder / "compose").glob("*/compose*.yaml"))
    assert len(written) == 2 * len(NODES) * len(PROJECTS)
    done = checker("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *written)
    assert done.ok, done.text()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(written[-1].read_text().replace("read_only:", "readonly:") + "\nservice: {}\n")
    done = checker("check-jsonschema", "--builtin-schema", "vendor.compose-spec", wrong)
    assert done.returncode == 1
