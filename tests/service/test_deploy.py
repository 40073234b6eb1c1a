"""A service on a box: deployed, healthy only once it has answered over the network, asked, and stopped."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import digits
from tests.digits import Digits
from tests.service import service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(service_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digits]:
    home = tmp_path_factory.mktemp("home")
    found = Digits(service_project, home, service.kept())
    found.temporary.mkdir(parents=True)
    (service_project / "fleet.yaml").write_text(
        f"nodes:\n  pc: {{target: {service.HOST}, address: sandbox}}\n"
    )
    yield found
    found.said("sandbox", "down", "pc")
    assert digits.processes(str(service_project / ".edgepack" / "sandbox")) == {}


def test_a_box_serves_it(project: Digits, service_release: Path) -> None:
    proof = json.loads((project.folder / "dist" / f"digits@{service.HOST}.proof.json").read_text())["proof"]
    assert (proof["ok"], proof["samples"]) == (True, 64)
    assert {"nghttp2.txt", "nlohmann-json.txt"} <= {p.name for p in (service_release / "LICENSES").iterdir()}
    project.said("sandbox", "up", "pc", "--server", "builtin")
    assert project.said("deploy", "pc")["outcome"] == "deployed"
    (status,) = project.said("status")
    assert status["state"] == "running"
    logs = project.run("logs", "pc")
    port = re.search(r"ready; http on 127.0.0.1 port (\d+)", logs.out)
    assert port, logs.out
    with urllib.request.urlopen(f"http://127.0.0.1:{port[1]}/v2/health/ready", timeout=10) as answer:
        assert answer.status == 200
