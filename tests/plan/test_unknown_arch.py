"""A target whose architecture nobody knows: the model alone, and one error where a program is asked for."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edgepack.errors import InputError
from edgepack.plan.build import plan_build
from edgepack.plan.snapshot import Snapshot
from tests.plan import test_build
from tests.plan.test_build import DIGITS, look

OWN = """
name: A box
facts:
  chip: {{value: rk3588, source: the maker's data sheet}}
{arch}runtimes: [rknn, ncnn, onnxruntime, tvm]
precision: fp16
notes: ["No `arch` is given: nobody looked."]
"""
KNOWN = "  arch: {value: aarch64, source: uname -m on unit 12}\n"
HEADERS = {"vendors": {"rknn": "a digest"}}

Ready = Callable[..., Snapshot]


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ready:
    folder = tmp_path / "digits"
    shutil.copytree(DIGITS, folder, ignore=shutil.ignore_patterns(".edgepack", "dist", "train"))
    text = (folder / "edgepack.yaml").read_text()
    (folder / "targets").mkdir()
    monkeypatch.setattr(test_build, "TARGETS", ("box",))

    def made(options: str = "", arch: str = "", form: str = "app", more: str = "") -> Snapshot:
        wanted = text.replace("targets:\n", f"targets:\n  box: {{{options}}}\n").replace(
            "form: app", f"form: {form}"
        )
        (folder / "edgepack.yaml").write_text(wanted + more)
        (folder / "targets" / "box.yaml").write_text(OWN.format(arch=arch))
        seen = look(folder)
        programs = frozenset({"ncnn", "onnxruntime", "rknn"})
        return dataclasses.replace(seen, here=dataclasses.replace(seen.here, programs=programs, **HEADERS))

    return made


@pytest.mark.parametrize(
    ("options", "form", "why"),
    [
        ("", "app", "the architecture is not known: see edgepack targets box"),
        ("", "service", "the form `service` is not made with Rockchip RKNN"),
        ("runtime: rknn", "app", "the architecture is not known: see edgepack targets box"),
    ],
)
def test_the_model_alone_is_made_and_proven_though_the_headers_are_here(
    ready: Ready, options: str, form: str, why: str
) -> None:
    plan = plan_build(ready(options, form=form))
    assert list(plan.chains["box"]) == ["prepare", "blocks", "feed", "convert", "parity", "model"]
    because = plan.choices["box"].because
    assert because["arch"] == "unknown (targets/box.yaml)"
    assert because["program"] == f"none, the converted model alone: {why}"
    assert not {"cpu", "libc"} & because.keys()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("runtime: ncnn", "a program with ncnn is compiled for one"),
        ("runtime: onnxruntime", "a program with onnxruntime is compiled for one"),
        ("toolchain: gcc", "a program with gcc is compiled for one"),
        ("runtime: tvm, precision: fp32", "onnx-tvm writes for one architecture"),
    ],
)
def test_where_a_program_is_asked_for_one_error_says_what_to_do(ready: Ready, options: str, why: str) -> None:
    with pytest.raises(InputError) as refused:
        plan_build(ready(options))
    error = refused.value
    assert error.what == "the architecture of box is not known"
    assert error.where.startswith("edgepack.yaml:")
    assert error.why.startswith(why)
    assert "`arch: {value: aarch64, source: uname -m on unit 12}`" in error.fix
    assert str(Path("targets") / "box.yaml") in error.fix
    assert error.detail == "No `arch` is given: nobody looked."


@pytest.mark.parametrize("options", ["runtime: ncnn", "runtime: onnxruntime", "toolchain: gcc", ""])
def test_with_its_architecture_there_is_a_program(ready: Ready, options: str) -> None:
    plan = plan_build(ready(options, arch=KNOWN))
    assert list(plan.chains["box"])[-1] == "package"
    assert plan.choices["box"].because["arch"] == "aarch64 (targets/box.yaml)"


@pytest.mark.parametrize("options", ["runtime: ncnn", "runtime: onnxruntime"])
def test_a_model_is_converted_and_proven_without_a_program_all_the_same(ready: Ready, options: str) -> None:
    """What `check` and `parity` do."""
    plan = plan_build(ready(options), proof=True, program=False)
    assert list(plan.chains["box"])[-1] == "parity"
