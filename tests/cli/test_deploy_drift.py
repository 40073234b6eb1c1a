"""A deploy ships what was built, and says where the project is not that any more."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgepack.bundle import Bundle
from edgepack.cli import deploy_drift
from edgepack.manifest import project as manifest
from edgepack.pipeline import Request, make_plan
from edgepack.store import Store
from tests import digits, releases
from tests.digits import TARGET, Digits

Lock = dict[str, Any]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Digits:
    """The example, never built, in a cache of its own."""
    copy = digits.copy(tmp_path / "digits", tmp_path / "cache")
    monkeypatch.setenv("EDGEPACK_CACHE", str(copy.kept))
    return copy


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return releases.bundle(tmp_path / "bundle")


def lock(project: Digits, bundle: Bundle, toolchain: str | None = None) -> Lock:
    """What a build of the project as it is now writes of its bundle into edgepack.lock."""
    loaded = manifest.load(project.folder)
    plan = make_plan(loaded, Request(loaded.folder, (TARGET,), toolchain), Store(project.kept / "store"))
    slots = {slot: dict(plan.steps[step].inputs) for slot, step in plan.chains[TARGET].items()}
    return {"bundle": bundle.digest, **{slot: told for slot, told in slots.items() if slot != "verify"}}


def said(project: Digits, bundle: Bundle, locked: Lock) -> list[str]:
    (project.folder / "edgepack.lock").write_text(json.dumps({"targets": {TARGET: locked}}))
    return deploy_drift.warnings(manifest.load(project.folder), bundle, TARGET)


def append(name: str) -> Callable[[Digits], object]:
    def change(project: Digits) -> None:
        file = project.folder / name
        before = file.read_bytes() if file.exists() else b""
        file.write_bytes(before + b"\n")

    return change


def rewrite(old: str, new: str) -> Callable[[Digits], object]:
    return lambda project: project.rewrite("edgepack.yaml", old, new)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (append("src/post.cpp"), "src/post.cpp"),
        (append("src/new.h"), "C and C++ files of the project"),
        (append("data/golden.npz"), "data/golden.npz"),
        (rewrite("version: 1.0.0", "version: 1.0.1"), "name and version"),
        (rewrite("timeout: 30", "timeout: 31"), "health"),
        (rewrite("raspberry-pi-4: {}", "raspberry-pi-4: {toolchain: gcc}"), "toolchain"),
    ],
)
def test_what_changed_since_the_build_is_named(
    project: Digits, bundle: Bundle, change: Callable[[Digits], object], names: str
) -> None:
    locked = lock(project, bundle)
    assert said(project, bundle, locked) == []
    change(project)
    (warning,) = said(project, bundle, locked)
    assert warning.startswith(f"dist/digits@{TARGET} was built before these changed: {names}")


@pytest.mark.parametrize(
    "change", [append("README.md"), append("data/val/labels.csv"), append("src/notes.md")]
)
def test_what_no_bundle_is_made_of_may_change(
    project: Digits, bundle: Bundle, change: Callable[[Digits], object]
) -> None:
    locked = lock(project, bundle)
    change(project)
    assert said(project, bundle, locked) == []


def test_another_toolchain_that_was_asked_for_is_no_change(project: Digits, bundle: Bundle) -> None:
    assert said(project, bundle, lock(project, bundle, "gcc")) == []


def test_where_nothing_is_known_nothing_is_said(project: Digits, bundle: Bundle) -> None:
    assert deploy_drift.warnings(manifest.load(project.folder), bundle, TARGET) == []
    for text in ("", "[]", '{"targets": {}}', json.dumps({"targets": {TARGET: 1}})):
        (project.folder / "edgepack.lock").write_text(text)
        assert deploy_drift.warnings(manifest.load(project.folder), bundle, TARGET) == []


def test_what_cannot_be_compared_is_told(project: Digits, bundle: Bundle) -> None:
    locked = lock(project, bundle)
    (other,) = said(project, bundle, {**locked, "bundle": "sha256:" + "0" * 64})
    assert "not the bundle that edgepack.lock tells of" in other
    project.rewrite("edgepack.yaml", "  raspberry-pi-4: {}\n", "")
    (gone,) = said(project, bundle, locked)
    assert f"digits is not made for `{TARGET}`" in gone
