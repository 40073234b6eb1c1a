"""An engine that only the box can make, by the shipped script and a stand-in for NVIDIA's `trtexec`."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.bundle import Bundle, open_bundle
from edgepack.catalog import recipes
from edgepack.convert import sdk_box
from edgepack.convert.recipe import Request
from edgepack.errors import Exit
from edgepack.observe.status import status
from edgepack.package import on_box
from edgepack.package.bundle import BundleSpec, Content, write_bundle
from edgepack.ship.deploy import deploy, plan_deploy
from edgepack.ship.errors import NotProvenError
from edgepack.ship.made import MakeError
from edgepack.ship.rollback import rollback
from tests.releases import APP, Program, bundle
from tests.ship.deployer import killed_at
from tests.standins import toolkits
from tests.standins.models import LENET, with_operator

# The golden vectors pass only with an engine that the stand-in made.
HELD = 'grep -q "^stand-in for trtexec" "$release/model/model.engine" || exit 4'
Make = Callable[..., Bundle]


@pytest.fixture
def toolkit(tmp_path: Path) -> Path:
    root = toolkits.install("tensorrt", tmp_path)
    (tmp_path / "board").write_text("NVIDIA Jetson Orin Nano\n")
    return root


@pytest.fixture
def make(tmp_path: Path, toolkit: Path) -> Make:
    """A bundle whose engine the box makes: the toolkit and the device are where this test has put them."""

    def made(version: str, model: Path = LENET, seconds: int = 60, **program: Any) -> Bundle:
        shipped = recipes.load_all(None)["onnx-tensorrt"]
        assert shipped.about.sdk is not None
        facts = [
            fact.model_copy(update={"file": str(tmp_path / "board")}) if fact.name == "board" else fact
            for fact in shipped.about.sdk.facts
        ]
        places = [str(toolkit / "bin/trtexec"), "/usr/bin/python3"]
        sdk = shipped.about.sdk.model_copy(update={"facts": facts, "box": places})
        recipe = dataclasses.replace(shipped, about=shipped.about.model_copy(update={"sdk": sdk}))
        out = tmp_path / f"packed-{version}"
        out.mkdir()
        packed = sdk_box.pack(recipe, Request(model, "fp16", out))
        script = on_box.write(out, packed.files)
        assert script is not None
        plain = bundle(tmp_path / f"plain-{version}", Program(version=version, before_report=HELD, **program))
        layers: dict[str, dict[str, Content]] = {}
        for file in plain.files:
            with plain.open(file) as stream:
                layers.setdefault(file.layer, {})[file.path] = Content(stream.read(), file.mode)
        del layers["config"]["release.json"]
        layers.pop("notices", None)
        layers["model"] = {f"model/{name}": Content(place) for name, place in packed.files.items()}
        layers["model"]["model/make-engine.sh"] = Content(script, 0o755)
        asked = {"makes": ["model/model.engine"], "timeout_s": seconds, "memory_mb": 8192}
        words = {name: getattr(plain, name) for name in ("name", "version", "target", "arch", "runtime")}
        release = {k: v for k, v in plain.release.items() if k not in words}
        spec = BundleSpec(**words, layers=layers, release={**release, "on_box": asked})
        return write_bundle(spec, tmp_path / f"bundle-{version}")

    return made


def journal(endpoint: Endpoint) -> list[str]:
    lines = Path(endpoint.root, "journal").read_text().splitlines()
    return [line.split(" ", 4)[4] for line in lines if line.split()[1] == "make"]


def engine(endpoint: Endpoint, of: Bundle) -> Path:
    release = of.digest.removeprefix("sha256:")
    return Path(endpoint.root, "apps", APP, "releases", release, "model", "model.engine")


def test_it_is_made_while_staging_kept_and_made_anew_when_the_device_changes(
    endpoint: Endpoint, make: Make, toolkit: Path, tmp_path: Path
) -> None:
    one = make("1")
    assert any("model.engine, in at most 60 s" in step for step in plan_deploy(endpoint, one).steps)
    first = deploy(endpoint, one)
    assert list(first.seconds)[3:6] == ["stage", "make", "prove"]
    assert engine(endpoint, one).read_text().startswith("stand-in for trtexec")
    two = make("2")  # another program, the same model
    deploy(endpoint, two)
    assert journal(endpoint)[0].startswith("made in")
    assert journal(endpoint)[1].startswith("made before of the same model, options, runtime and device")
    (tmp_path / "board").write_text("NVIDIA Jetson AGX Orin\n")
    rollback(endpoint, APP)
    assert journal(endpoint)[2].startswith("made in")
    three = make("3", with_operator(tmp_path, b"Tanh"))
    deploy(endpoint, three)
    assert journal(endpoint)[3].startswith("made in")
    (toolkit / "standin-version").write_text("8601")
    deploy(endpoint, two)
    assert journal(endpoint)[4].startswith("made in")
    assert status(endpoint, APP).version == "2"


def test_what_was_made_and_rots_is_noticed_and_made_again(endpoint: Endpoint, make: Make) -> None:
    one = make("1")
    deploy(endpoint, one)
    made = engine(endpoint, one)
    whole = hashlib.sha256(made.read_bytes()).hexdigest()
    made.write_text("stand-in for trtexec, but another one")
    assert plan_deploy(endpoint, one).steps
    assert deploy(endpoint, one).outcome == "started again"
    assert hashlib.sha256(made.read_bytes()).hexdigest() == whole


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        ("lie", "&&&& PASSED"),
        ("toolkit", "EDGEPACK_SDK_TENSORRT"),
        ("slow", "not done in time"),
        ("engine", "golden vectors"),
    ],
)
def test_a_failure_leaves_the_old_release(
    endpoint: Endpoint, make: Make, toolkit: Path, tmp_path: Path, breaks: str, words: str
) -> None:
    old = make("1")
    deploy(endpoint, old)
    before = status(endpoint, APP).pid
    changed = with_operator(tmp_path, b"Tanh")  # else the engine of before is taken
    seconds = 60
    if breaks == "lie":
        (toolkit / toolkits.MARK).write_text("exit-0-without-artifact")
    elif breaks == "toolkit":
        (toolkit / "bin/trtexec").unlink()
    elif breaks == "slow":
        program = toolkit / "bin/trtexec"
        program.write_text(f"#!/bin/sh\necho $$ >{tmp_path}/pid\nexec sleep 600\n")
        seconds = 2
    else:
        program = toolkit / "bin/trtexec"
        program.write_text(program.read_text().replace("standin.artifact(", "wrong("))
        text = program.read_text().split("\n", 1)
        program.write_text(f"{text[0]}\ndef wrong(to, *_, **__): Path(to).write_text('no engine')\n{text[1]}")
    with pytest.raises((MakeError, NotProvenError)) as caught:
        deploy(endpoint, make("2", changed, seconds))
    error = caught.value
    assert words in f"{error.what} {error.why} {error.fix} {error.detail}"
    assert (error.exit_code, status(endpoint, APP).pid) == (Exit.DEPLOY, before)
    releases = Path(endpoint.root, "apps", APP, "releases")
    assert [p.name for p in releases.iterdir() if p.suffix != ".list"] == [old.digest[7:]]
    if breaks == "slow":
        pid = int((tmp_path / "pid").read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_deployer_that_dies_while_it_is_made(endpoint: Endpoint, make: Make, tmp_path: Path) -> None:
    old = make("1")
    deploy(endpoint, old)
    new = make("2", with_operator(tmp_path, b"Tanh"))
    assert killed_at(endpoint, new.folder, "make") == -signal.SIGKILL
    assert status(endpoint, APP).version == "1"
    assert deploy(endpoint, open_bundle(new.folder)).outcome == "deployed"
    assert status(endpoint, APP).version == "2"
