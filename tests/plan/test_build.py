"""A plan is decided from a snapshot alone, and a key changes exactly when what it stands for does."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from edgepack.catalog import recipes
from edgepack.catalog.toolchains import OWN_GLIBC
from edgepack.errors import InputError, UsageError
from edgepack.manifest import project as manifest
from edgepack.plan.build import check_targets, plan_build
from edgepack.plan.program_steps import glibc_of
from edgepack.plan.snapshot import Here, Snapshot, take
from edgepack.plan.step import Plan
from edgepack.store import Store

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
TARGETS = ("x86_64", "aarch64", "raspberry-pi-4")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "digits"
    shutil.copytree(DIGITS, folder, ignore=shutil.ignore_patterns(".edgepack", "dist", "val", "train"))
    (folder / "data" / "val").mkdir()
    (folder / "dist").mkdir()
    model = folder / "model" / "lenet.onnx"
    onnx.save(onnx.load(model), model, save_as_external_data=True, location="lenet.onnx.data")
    return folder


def look(folder: Path) -> Snapshot:
    project = manifest.load(folder)
    here = Here({"x86_64": "this machine"}, "x86_64", {}, frozenset({"ncnn"}))
    known = recipes.load_all(folder)
    return take(project, TARGETS, Store(folder / "no-store"), frozenset(), known, here)


def keys(plan: Plan) -> dict[str, str]:
    return {
        f"{target}/{stage}": plan.steps[s].key for target, c in plan.chains.items() for stage, s in c.items()
    }


def test_the_same_snapshot_gives_the_same_plan(project: Path) -> None:
    snapshot = look(project)
    assert plan_build(snapshot) == plan_build(snapshot)
    assert keys(plan_build(look(project))) == keys(plan_build(snapshot))


def test_one_conversion_serves_all_targets_and_each_processor_has_its_runtime(project: Path) -> None:
    plan = plan_build(look(project))
    assert len({chain["convert"] for chain in plan.chains.values()}) == 1
    assert len({chain["runtime"] for chain in plan.chains.values()}) == 3
    assert len(plan.steps) == 2 + 3 * 4
    order = list(plan.steps)
    assert all(order.index(need) < order.index(s.id) for s in plan.steps.values() for need in s.needs)


ALL = {"convert", "runtime", "compile", "verify", "package"}


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        (lambda p: replace(p, "edgepack.yaml", "1.0.0", "1.0.1"), ALL - {"convert", "runtime"}),
        (lambda p: replace(p, "src/post.cpp", "best", "most"), ALL - {"convert", "runtime"}),
        (lambda p: (p / "src" / "new.h").write_text("#pragma once"), ALL - {"convert", "runtime"}),
        (lambda p: (p / "new.h").write_text("#pragma once"), ALL - {"convert", "runtime"}),
        (lambda p: (p / "dist" / "sdk.h").write_text("#pragma once"), set()),
        (lambda p: replace(p, "edgepack.yaml", "mean: [0.5]", "mean: [0.4]"), ALL - {"convert", "runtime"}),
        (
            lambda p: replace(p, "edgepack.yaml", "timeout: 30", "timeout: 31"),
            {"package"},
        ),
        (lambda p: (p / "model" / "lenet.onnx").write_bytes(b"other"), ALL - {"runtime"} | {"prepare"}),
        (lambda p: replace_byte(p / "model" / "lenet.onnx.data"), ALL - {"runtime"} | {"prepare"}),
        (lambda p: (p / "data" / "golden.npz").write_bytes(b"other"), {"verify", "package"}),
        (lambda p: (p / "README.md").write_text("other"), set()),
    ],
)
def test_a_change_reruns_what_depends_on_it_and_nothing_else(
    project: Path, tmp_path: Path, change: Callable[[Path], object], stages: set[str]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(project, folder)
    before = keys(plan_build(look(folder)))
    change(folder)
    after = keys(plan_build(look(folder)))
    assert {name.rpartition("/")[2] for name in before if before[name] != after[name]} == stages


def replace(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


def replace_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def test_layers_beyond_the_common_ones_ask_for_the_whole_runtime(project: Path) -> None:
    snapshot = look(project)
    convert = plan_build(snapshot).step("x86_64", "convert")
    richer = dataclasses.replace(snapshot, layers={convert.key: ("Convolution", "LSTM")})
    assert plan_build(richer).step("x86_64", "runtime").inputs["layers"] == "all"
    assert plan_build(snapshot).step("x86_64", "runtime").inputs["layers"] == "common"


def test_why_names_what_changed(project: Path) -> None:
    snapshot = look(project)
    plan = plan_build(snapshot)
    step = plan.step("x86_64", "compile")
    assert step.why == "never done before"
    before = {step.id: {**step.inputs, "src/post.cpp": "0" * 64, "gone.cpp": "1"}}
    again = plan_build(dataclasses.replace(snapshot, previous=before)).step("x86_64", "compile")
    assert again.why == "src/post.cpp changed; gone.cpp is gone"
    done = dataclasses.replace(snapshot, results=frozenset({step.key}))
    assert plan_build(done).step("x86_64", "compile").cached


def test_every_choice_says_where_it_came_from(project: Path) -> None:
    because = plan_build(look(project), toolchain="gcc").choices["raspberry-pi-4"].because
    assert because["toolchain"] == "gcc (the command line)"
    assert because["precision"] == "fp32 (targets/raspberry-pi-4.yaml)"
    assert because["cpu"] == "cortex-a72 (targets/raspberry-pi-4.yaml)"


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("x86_64: {}", "x86_64: {runtime: tensorrt}", "x86_64 does not run `tensorrt`", "it runs: ncnn"),
        ("file: model/lenet.onnx", "file: README.md", "no way in for a .md model", "export it to ONNX"),
    ],
)
def test_what_cannot_be_planned_names_the_line(
    project: Path, tmp_path: Path, old: str, new: str, message: str, hint: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(project, folder)
    replace(folder, "edgepack.yaml", old, new)
    with pytest.raises(InputError) as caught:
        plan_build(look(folder))
    (problem,) = caught.value.problems
    assert message in problem.message
    assert hint in str(problem.hint)
    assert problem.line == next(
        n for n, line in enumerate((folder / "edgepack.yaml").read_text().splitlines(), 1) if new in line
    )


def test_a_target_that_the_project_is_not_made_for_is_refused_with_the_nearest(project: Path) -> None:
    loaded = manifest.load(project)
    assert check_targets(loaded, ()) == ("x86_64", "aarch64", "armhf", "riscv64", "raspberry-pi-4")
    with pytest.raises(UsageError) as caught:
        check_targets(loaded, ("raspberry-pi",))
    assert "raspberry-pi-4" in caught.value.why


def test_a_step_waits_for_everything_that_it_reads(project: Path) -> None:
    """By name: what stands between two steps may be cached while the first of them must run again."""
    chain = plan_build(look(project)).chains["raspberry-pi-4"]
    needs = {stage: set(plan_build(look(project)).steps[step].needs) for stage, step in chain.items()}
    assert needs["package"] >= {chain["convert"], chain["compile"], chain["verify"]}
    assert needs["verify"] >= {chain["convert"], chain["compile"]}
    assert needs["compile"] >= {chain["convert"], chain["runtime"]}


def test_a_pruned_model_is_held_to_the_one_that_was_trained(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(project, folder)
    before = plan_build(look(folder), proof=True)
    replace(folder, "edgepack.yaml", "  accuracy:", "  prune: {magnitude: 0.3}\n  accuracy:")
    after = plan_build(look(folder), proof=True)
    same = {
        slot
        for slot in before.chains["x86_64"]
        if before.step("x86_64", slot).key == after.step("x86_64", slot).key
    }
    assert {"prepare", "blocks", "feed"} <= same
    assert after.step("x86_64", "convert").inputs["model"] == after.step("x86_64", "adapt").key
    assert after.step("x86_64", "parity").inputs["trained"] == before.step("x86_64", "prepare").key


def test_eight_bits_are_calibrated_and_held_to_the_trained_model_before_a_program_is_made(
    project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(project, folder)
    replace(folder, "edgepack.yaml", "x86_64: {}", "x86_64: {precision: int8}")
    with pytest.raises(InputError) as told:
        plan_build(look(folder))
    assert "takes its ranges from calibration data" in told.value.problems[0].message
    calibrated = "  calibration: {data: data/golden.npz}\n  accuracy:"
    replace(folder, "edgepack.yaml", "  accuracy:", calibrated)
    plan = plan_build(look(folder))
    slots = ["prepare", "blocks", "feed", "convert", "parity", "runtime", "compile", "verify", "package"]
    assert list(plan.chains["x86_64"]) == slots
    assert "feed" not in plan.chains["aarch64"]
    assert plan.step("x86_64", "parity").id in plan.step("x86_64", "package").needs


def with_onnxruntime(folder: Path, changes: dict[str, str]) -> Snapshot:
    """The example on ``x86_64`` with ONNX Runtime, and words of its manifest replaced."""
    text = (folder / "edgepack.yaml").read_text()
    for old, new in {"x86_64: {}": "x86_64: {runtime: onnxruntime}", **changes}.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "edgepack.yaml").write_text(text)
    snapshot = look(folder)
    here = dataclasses.replace(snapshot.here, programs=frozenset({"ncnn", "onnxruntime"}))
    return dataclasses.replace(snapshot, here=here)


@pytest.fixture
def changed(project: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(project, tmp_path / "digits"))


def test_a_runtime_beside_the_program_is_a_step_and_the_plan_says_for_which_libc(changed: Path) -> None:
    plan = plan_build(with_onnxruntime(changed, {}))
    chain = plan.chains["x86_64"]
    assert chain["runtime"] == "onnxruntime:x86_64"
    assert list(chain)[-4:] == ["runtime", "compile", "verify", "package"]
    assert plan.choices["x86_64"].because["libc"] == "glibc 2.31 or newer (targets/x86_64.yaml)"
    assert "libc" not in plan.choices["aarch64"].because
    assert plan.step("x86_64", "compile").inputs["glibc of the target"] == "glibc 2.31"


def test_a_gcc_links_to_its_own_glibc_where_a_runtime_lies_beside(changed: Path) -> None:
    asked = {"x86_64: {runtime: onnxruntime}": "x86_64: {runtime: onnxruntime, toolchain: gcc}"}
    plan = plan_build(with_onnxruntime(changed, asked))
    assert plan.choices["x86_64"].toolchain == "gcc"
    assert glibc_of(plan.project, plan.choices["x86_64"]) == OWN_GLIBC


NO_PROGRAM = {
    "an sdk": ({"form: app": "form: sdk"}, "the form `sdk` is made with ncnn only"),
    "an architecture that it is not for": (
        {
            "  riscv64: {}": "",
            "  raspberry-pi-4: {}": "  raspberry-pi-4: {}\n  riscv64: {runtime: onnxruntime}",
        },
        "no program with onnxruntime for riscv64: ONNX Runtime 1.31.1 is there for x86_64 and aarch64",
    ),
}


@pytest.mark.parametrize(("changes", "says"), NO_PROGRAM.values(), ids=NO_PROGRAM)
def test_where_a_runtime_has_no_program_the_plan_says_so(
    changed: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], says: str
) -> None:
    if "riscv64" in says:
        monkeypatch.setattr("tests.plan.test_build.TARGETS", (*TARGETS, "riscv64"))
    with pytest.raises(InputError) as refused:
        plan_build(with_onnxruntime(changed, changes))
    said = f"{refused.value.what} {[problem.message for problem in refused.value.problems]}"
    assert says in said
    assert "edgepack.yaml" in f"{refused.value.where} {said}"
