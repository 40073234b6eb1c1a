"""The whole way, by the commands a user types: a trained model answers on a box, with its own answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgepack.bundle import open_bundle
from edgepack.tools import qemu
from edgepack.tools.runner import command, run
from tests import digits
from tests.digits import NODE, TARGET, Digits
from tests.lab import reference

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, warm_cache: Path) -> Iterator[Digits]:
    """The example in a folder with a space in its name, its sandbox behind edgepack's own SSH server."""
    copy = digits.copy(tmp_path_factory.mktemp("whole way") / "digits", warm_cache)
    copy.said("build", "--for", NODE)
    copy.said("sandbox", "up", NODE, "--server", "builtin")
    yield copy
    copy.said("sandbox", "down", NODE)
    assert digits.processes(str(copy.folder / ".edgepack" / "sandbox")) == {}


@pytest.fixture(scope="module")
def trained(project: Digits) -> reference.Reference:
    return reference.of(project.folder)


@pytest.fixture(scope="module")
def deployed(project: Digits) -> str:
    """The first release on the box."""
    report = project.said("deploy", NODE)
    assert report["outcome"] == "deployed"
    assert report["files_sent"] == report["files_total"]
    return str(report["release"])


def test_the_box_answers_as_the_trained_model_does(
    project: Digits, trained: reference.Reference, deployed: str
) -> None:
    said = project.said("ask", NODE)
    answers = {row["file"]: row["class"] for row in said["answers"]}
    assert [answers[file] for file in trained.files] == trained.classes.tolist()
    assert said["accuracy"] == pytest.approx(trained.accuracy(trained.classes))
    assert said["of"] == 360


def test_its_logits_are_within_the_gate_of_fp32(
    project: Digits, trained: reference.Reference, deployed: str
) -> None:
    release = (
        project.folder / ".edgepack" / "sandbox" / NODE / "root" / "home" / "edgepack" / "apps" / "digits"
    )
    program = release / "current" / "bin" / "digits"
    emulator = qemu.find("aarch64")
    assert emulator is not None
    images = [project.folder / "data" / "val" / file for file in trained.files]
    done = run(command(emulator, program, "infer", "--outputs", *images))
    assert done.ok, done.text()
    logits = np.array([json.loads(line)["outputs"]["logits"] for line in done.stdout.splitlines()])
    assert np.abs(logits - trained.logits).max() <= 1e-3 * max(1, np.abs(trained.logits).max())
    cosines = (logits * trained.logits).sum(1) / (
        np.linalg.norm(logits, axis=1) * np.linalg.norm(trained.logits, axis=1)
    )
    assert cosines.min() >= 0.9999


def test_a_second_time_there_is_nothing_to_do(project: Digits, deployed: str) -> None:
    assert project.said("build", "--for", NODE)["ran"] == []
    report = project.said("deploy", NODE)
    assert (report["outcome"], report["release"], report["bytes_sent"]) == ("nothing to do", deployed, 0)
    assert project.said("deploy", NODE, "--dry-run")["steps"] == []


def test_a_change_in_post_moves_the_program_alone_and_can_be_undone(project: Digits, deployed: str) -> None:
    project.rewrite("src/post.cpp", 'confidence"', 'certainty"')
    failed = project.run("build", "--for", NODE)
    assert failed.code == 8  # the golden vectors ask for `confidence`
    project.rewrite("src/post.cpp", 'certainty"', 'confidence"')
    project.rewrite("src/post.cpp", 'record.set("class"', 'record.set("seen", true);\n    record.set("class"')

    built = project.run("build", "--for", NODE)
    assert built.code == 0, built.err
    assert "1 of 7 files compiled" in built.err
    assert "convert" not in built.err
    planned = project.said("deploy", NODE, "--dry-run")
    report = project.said("deploy", NODE)
    assert planned["files_to_send"] == report["files_sent"] < report["files_total"]
    assert report["bytes_sent"] < report["bytes_total"] - 246_844  # the weights stay
    assert report["previous"] == deployed
    digest = open_bundle(project.bundle()).digest.removeprefix("sha256:")
    (status,) = project.said("status")
    assert (status["release"], status["state"], status["target"]) == (digest, "running", TARGET)
    image = project.folder / "data" / "val" / "000.pgm"
    assert project.said("ask", NODE, image)[0]["seen"] is True

    assert project.said("rollback", NODE)["release"] == deployed
    (status,) = project.said("status")
    assert (status["release"], status["previous"]) == (deployed, digest)
    assert "seen" not in project.said("ask", NODE, image)[0]
    journal = "\n".join(project.said("logs", NODE, "--journal"))
    assert "rollback" in journal
    assert any("ready" in line for line in project.said("logs", NODE))
    (one,) = project.said("logs", "*")
    assert (one["node"], any("ready" in line for line in one["lines"])) == (NODE, True)
