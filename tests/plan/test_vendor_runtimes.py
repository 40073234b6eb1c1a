"""With a vendor's headers there is a program; without them the converted model, and the plan says why."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from edgepack.catalog.vendor_runtimes import VENDORS
from edgepack.plan.build import plan_build
from edgepack.plan.snapshot import Snapshot
from tests.plan import test_build
from tests.plan.test_build import DIGITS, look

WHY = "no headers of Rockchip RKNN here: `sdk.rknn` is not set; get …"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "digits"
    shutil.copytree(DIGITS, copy, ignore=shutil.ignore_patterns(".edgepack", "dist", "train"))
    text = (copy / "edgepack.yaml").read_text()
    (copy / "edgepack.yaml").write_text(text.replace("targets:\n", "targets:\n  rk3588: {}\n"))
    monkeypatch.setattr(test_build, "TARGETS", ("rk3588",))
    return copy


def snapshot(folder: Path, *, headers: bool) -> Snapshot:
    seen = look(folder)
    programs = {"ncnn", "rknn"} if headers else {"ncnn"}
    told = {"vendors": {"rknn": "a digest"}} if headers else {"lacking": {"rknn": WHY}}
    here = dataclasses.replace(seen.here, programs=frozenset(programs), **told)
    return dataclasses.replace(seen, here=here)


def test_without_headers_the_model_alone_is_made_and_the_reason_told(folder: Path) -> None:
    plan = plan_build(snapshot(folder, headers=False))
    assert list(plan.chains["rk3588"])[-2:] == ["parity", "model"]
    assert plan.choices["rk3588"].because["program"] == f"none, the converted model alone: {WHY}"


def test_with_headers_there_is_a_program_and_the_model_is_still_proven_here(folder: Path) -> None:
    plan = plan_build(snapshot(folder, headers=True))
    assert list(plan.chains["rk3588"])[-5:] == ["parity", "runtime", "compile", "verify", "package"]
    assert "program" not in plan.choices["rk3588"].because
    step = plan.step("rk3588", "runtime")
    assert (step.id, step.inputs["headers (sdk.rknn)"]) == ("rknn:aarch64", "a digest")
    assert plan.step("rk3588", "compile").inputs["glibc of the target"] == "2.28"
    assert plan.step("rk3588", "parity").id in plan.step("rk3588", "package").needs


def test_an_interface_with_gccs_types_wants_gcc() -> None:
    assert "`toolchain: gcc`" in str(VENDORS["magicmind"].why_not_by("zig"))
    assert VENDORS["magicmind"].why_not_by("gcc:/opt/v/bin/x-gcc") is None
    assert not [name for name, about in VENDORS.items() if about.why_not_by("zig") and not about.links]


@pytest.mark.parametrize(
    ("runtime", "chip", "libc", "why"),
    [
        ("rknn", "rk3588", None, None),
        ("rknn", "rv1106", None, "librknnmrt has the zero-copy interface alone"),
        ("sophon", "cv181x", None, "cvimodels are run by the CVI runtime"),
        ("sophon", "cv183x", None, "cvimodels are run by the CVI runtime"),
        ("rknn", "rk2118", None, "it has no Linux"),
        ("sophon", "bm1684x", "glibc 2.31", None),
        ("rknn", "rk3566", "uClibc", "the target's libc is uClibc"),
    ],
)
def test_a_chip_whose_library_is_another_one_has_no_program(
    runtime: str, chip: str, libc: str | None, why: str | None
) -> None:
    said = VENDORS[runtime].why_not(chip, libc)
    assert (said is None) if why is None else (said is not None and why in said)
