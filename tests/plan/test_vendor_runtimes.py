"""With a vendor's headers there is a program; without them the converted model, and the plan says why."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from edgepack.catalog.vendor_runtimes import EVERY, VENDORS, backend_of, vendor_of
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
    assert "`toolchain: gcc`" in str(VENDORS["magicmind"].why_not_by("zig", None))
    assert VENDORS["magicmind"].why_not_by("gcc:/opt/v/bin/x-gcc", None) is None
    assert not [about.id for about in EVERY if about.why_not_by("zig", "glibc 2.31") and not about.links]


def test_another_libc_wants_the_makers_gcc() -> None:
    about = vendor_of("rknn", "rv1106")
    assert about is not None
    assert "`toolchain: {gcc: PATH}`" in str(about.why_not_by("zig", "uClibc"))
    assert about.why_not_by("gcc:/opt/v/bin/arm-x-linux-uclibcgnueabihf-gcc", "uClibc") is None


@pytest.mark.parametrize(
    ("runtime", "chip", "libc", "why"),
    [
        ("rknn", "rk3588", None, None),
        ("rknn", "rv1106", "uClibc", None),
        ("sophon", "cv181x", "musl", None),
        ("sophon", "cv183x", None, None),
        ("rknn", "rk2118", None, "it has no Linux"),
        ("sophon", "bm1684x", "glibc 2.31", None),
        ("rknn", "rk3566", "uClibc", "the target's libc is uClibc"),
    ],
)
def test_a_chip_whose_library_is_another_one_has_no_program(
    runtime: str, chip: str, libc: str | None, why: str | None
) -> None:
    about = vendor_of(runtime, chip)
    assert about is not None
    said = about.why_not(chip, libc)
    assert (said is None) if why is None else (said is not None and why in said)


@pytest.mark.parametrize(
    ("runtime", "chip", "backend"),
    [
        ("rknn", "rk3588", "rknn"),
        ("rknn", "rv1103b", "rknnmrt"),
        ("sophon", "bm1684x", "bmruntime"),
        ("sophon", "cv180x", "cviruntime"),
        ("mnn", None, "mnn"),
        ("ncnn", "rv1106", "ncnn"),
    ],
)
def test_some_chips_have_another_library_under_the_runtimes_name(
    runtime: str, chip: str | None, backend: str
) -> None:
    assert backend_of(runtime, chip) == backend
