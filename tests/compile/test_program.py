"""A real program, built for this host: what is compiled again, what its author is told, what it answers."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgepack.compile import elf
from edgepack.compile.blocks import Block
from edgepack.compile.errors import CompileError
from edgepack.compile.render import Gates
from edgepack.tools.runner import Completed, command, run
from tests.compile import program_project as tiny
from tests.compile.conftest import Tiny

pytestmark = pytest.mark.slow


def start(program: Path, *words: str | Path, cwd: Path | None = None) -> Completed:
    return run(command(program, *words, cwd=cwd, timeout_s=60))


def said(program: Path, *words: str | Path) -> tuple[int, list[Any]]:
    done = start(program, *words)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


# What is built


def test_the_program_is_small_static_and_knows_its_own_build(program: Tiny) -> None:
    info = elf.inspect(program.program)
    assert info.static
    assert program.program.stat().st_size < program.built.debug.stat().st_size / 2
    code, (about,) = said(program.program, "about")
    assert (code, about) == (
        0,
        {
            "name": "tiny",
            "version": '1.0-"quoted"',
            "target": "test-box",
            "arch": tiny.SPEC.arch,
            "runtime": "ncnn",
            "build_id": program.built.build_id,
        },
    )
    assert len(program.built.build_id) == 40


def test_there_is_no_warning(program: Tiny) -> None:
    log = (program.work / "log.txt").read_text()
    assert "Building CXX object" in log
    assert "warning:" not in log


@pytest.fixture(scope="module")
def copy(program: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """The same project, copied with what was built: each test leaves its files as it found them."""
    folder = tmp_path_factory.mktemp("copy")
    project, work = folder / "moved", folder / "work"
    shutil.copytree(program.project, project)
    shutil.copytree(program.work / "build", work / "build")
    return Tiny(project, work, work / "release", tiny.build(project, work))


def test_a_change_recompiles_what_it_touches_and_the_bytes_do_not_depend_on_the_place(
    copy: Tiny, program: Tiny
) -> None:
    def compiled(spec: Any = tiny.SPEC) -> int:
        return tiny.build(copy.project, copy.work, spec).compiled

    compiled()
    assert copy.built.program.read_bytes() == program.program.read_bytes()
    assert copy.built.compiled == copy.built.total == 7
    assert compiled() == 0
    post = copy.project / "src/post.cpp"
    post.write_text(tiny.POST.replace("hottest", "warmest"))
    assert compiled() == 1
    post.write_text(tiny.POST)
    (copy.project / "src/weights.hpp").write_text(tiny.WEIGHTS + "// changed\n")
    assert compiled() == 2
    gates = dataclasses.replace(tiny.SPEC, gates=Gates(0.99, 0.01, records=0.5, near=0.1))
    assert compiled(gates) == 1
    a_part_of_the_records_is_enough(copy, program.release)
    assert compiled(dataclasses.replace(gates, post=(gates.post[1],))) == 1
    assert compiled(tiny.SPEC) == 2
    os.utime(post)
    assert compiled() == 1
    post.write_text(tiny.POST.replace("hottest", "warmest"))
    os.utime(post, (1, 1))
    assert compiled() == 1, "an old time does not hide a change"
    post.write_text(tiny.POST)
    os.utime(post, (1, 1))
    assert compiled() == 1
    assert compiled() == 0
    assert copy.program.read_bytes() == program.program.read_bytes()
    listed = json.loads((copy.work / "build/build/compile_commands.json").read_text())
    assert str(post) in {item["file"] for item in listed}


MISTAKES: Mapping[str, tuple[str, str, str, str]] = {
    "a typo": ("post.cpp", "outputs.at(0).data", "outputs.at(0).date", "no member named 'date'"),
    "another name": ("post.cpp", "void decode", "void decoed", "src/post.cpp does not define `void decode("),
    "other parameters": ("post.cpp", "const std::vector<edgepack::Tensor>&", "std::vector<edgepack::Tensor>",
                         "src/post.cpp does not define `void decode("),
    "another result": ("post.cpp", "void decode", "int decode", "src/post.cpp does not define `void decode("),
    "static": ("post.cpp", "void decode", "static void decode", "src/post.cpp does not define `void decode("),
    "another namespace": ("pre.cpp", "namespace mine", "namespace yours",
                          "src/pre.cpp does not define `edgepack::Tensor mine::gray("),
    "in a header": ("weights.hpp", "float", "flaot", "unknown type name 'flaot'"),
    "no such header": ("pre.cpp", "<stdexcept>", "<opencv2/core.hpp>", "file not found"),
}  # fmt: skip


def test_every_mistake_names_the_users_own_line(copy: Tiny) -> None:
    project, work = copy.project, copy.work
    copy.program.unlink()
    places = {}
    for name, (file, right, wrong, words) in MISTAKES.items():
        path = project / "src" / file
        good = path.read_text()
        assert right in good
        path.write_text(good.replace(right, wrong, 1))
        with pytest.raises(CompileError) as refused:
            tiny.build(project, work)
        path.write_text(good)
        assert words in refused.value.what, name
        places[name] = refused.value.where
    assert places == {
        "a typo": "src/post.cpp:6:53",
        "another name": "src/post.cpp",
        "other parameters": "src/post.cpp",
        "another result": "src/post.cpp:5:5",
        "static": "src/post.cpp:5:13",
        "another namespace": "src/pre.cpp",
        "in a header": "src/weights.hpp:1:11",
        "no such header": "src/pre.cpp:5:10",
    }
    assert not copy.program.exists()
    tiny.build(project, work)
    assert copy.program.is_file()


def test_a_project_without_code_of_its_own_is_a_program_too(
    copy: Tiny, program: Tiny, tmp_path: Path
) -> None:
    normalize = Block("normalize", {"scale": 1 / 255, "mean": [0.5], "std": [0.25]})
    spec = dataclasses.replace(tiny.SPEC, pre=(normalize,), post=(Block("softmax"),))
    made = tiny.build(copy.project, copy.work, spec)
    image = tmp_path / "a.pgm"
    image.write_bytes(tiny.ppm(np.full((4, 4), 128, np.uint8)))
    code, lines = said(made.program, "--release", program.release, "infer", image)
    assert (code, lines) == (0, [{"file": str(image)}])


# What it answers


def test_the_golden_vectors_pass(program: Tiny) -> None:
    code, (report,) = said(program.program, "verify")
    assert (code, report["ok"], report["samples"]) == (0, True, 5)
    assert report["gates"] == {"cosine": 0.9999, "max_abs": 0.001, "records": 1, "near": 0.001}
    assert set(report["outputs"]) == {"logits", "heat"}
    for output in report["outputs"].values():
        assert output["ok"]
        assert output["cosine_min"] > 0.999999
        assert 0 <= output["mean_abs"] <= output["max_abs"] < 1e-4
    agree = {"agree": 5, "of": 5, "ok": True}
    assert report["records"] == {"class": agree, "confidence": agree, "hottest": agree}


def a_part_of_the_records_is_enough(copy: Tiny, release: Path) -> None:
    """As of 8 bits: three of five agree, a number may be a tenth off; two of five are too few."""

    def verified(off: list[int], by: float) -> tuple[int, Any]:
        arrays = tiny.computed(tiny.images(5), tiny.weights())
        arrays["record.class"] = (arrays["record.class"] + np.isin(np.arange(5), off)) % 3
        arrays["record.confidence"] = arrays["record.confidence"] + np.float32(by)
        golden = tiny.write_golden(copy.work / f"golden{len(off)}{by}", arrays)
        code, (report,) = said(copy.program, "--release", release, "verify", golden)
        return code, report["records"]

    agree = {"agree": 5, "of": 5, "ok": True}
    partly = {"agree": 3, "of": 5, "ok": True}
    assert verified([0, 3], 0.09) == (0, {"class": partly, "confidence": agree, "hottest": agree})
    code, records = verified([0, 3, 4], 0.0)
    assert (code, records["class"]) == (8, {"agree": 2, "of": 5, "ok": False})
    code, records = verified([], 0.11)
    assert (code, records["confidence"]) == (8, {"agree": 0, "of": 5, "ok": False})


def off(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    def apply(arrays: dict[str, Any]) -> None:
        arrays[name] = change(arrays[name])

    return apply


def one_sample(values: Any) -> Any:
    values[3, 1] += 0.05
    return values


def with_nan(values: Any) -> Any:
    values[4, 0] = np.nan
    return values


@pytest.mark.parametrize(
    ("change", "at_fault"),
    [
        (off("output.logits", one_sample), ["outputs", "logits"]),
        (off("output.logits", with_nan), ["outputs", "logits"]),
        (off("output.heat", lambda v: -v), ["outputs", "heat"]),
        (off("output.heat", lambda v: v * 1.01), ["outputs", "heat"]),
        (off("output.heat", np.zeros_like), ["outputs", "heat"]),
        (off("record.class", lambda v: (v + (np.arange(5) == 2)) % 3), ["records", "class"]),
        (off("record.confidence", lambda v: v + np.float32(0.002)), ["records", "confidence"]),
        (off("record.confidence", lambda v: v * np.float32(np.nan)), ["records", "confidence"]),
        (lambda arrays: arrays.update({"record.unsaid": np.zeros(5, np.int64)}), ["records", "unsaid"]),
        (lambda arrays: arrays.update({"record.name": np.zeros(5, np.int64)}), ["records", "name"]),
        (off("input", lambda v: v[..., ::-1]), ["outputs", "heat"]),
    ],
)  # fmt: skip
def test_each_gate_can_fail(
    program: Tiny, tmp_path: Path, change: Callable[[dict[str, Any]], None], at_fault: list[str]
) -> None:
    arrays = tiny.computed(tiny.images(5), tiny.weights())
    change(arrays)
    code, (report,) = said(program.program, "verify", tiny.write_golden(tmp_path / "golden", arrays))
    assert (code, report["ok"]) == (8, False)
    assert report[at_fault[0]][at_fault[1]]["ok"] is False
    if "input" not in change.__qualname__ and at_fault[0] == "records":
        assert all(output["ok"] for output in report["outputs"].values())


def test_a_changed_weight_fails_and_a_broken_model_cannot_be_read(program: Tiny, tmp_path: Path) -> None:
    known = tiny.weights()
    changed = dataclasses.replace(known, kernel_bias=known.kernel_bias + np.float32([0, 0.02]))
    tiny.write_model(tmp_path, changed)
    golden = program.release / "golden"
    code, (report,) = said(program.program, "--release", tmp_path, "verify", golden)
    assert (code, report["ok"]) == (8, False)
    weights, param = tmp_path / "model/model.bin", tmp_path / "model/model.param"
    whole, text = weights.read_bytes(), param.read_text()
    for broken in (b"", whole[:10], whole[:-4]):
        weights.write_bytes(broken)
        code, (report,) = said(program.program, "--release", tmp_path, "verify", golden)
        assert (code, report["ok"], str(weights) in report["error"]) == (4, False, True)
    weights.write_bytes(whole)
    for wrong in (
        "",
        "7767517\n",
        text.replace("out0", "other"),
        text.replace("Flatten", "Nonesuch"),
        "\0" * 99,
    ):
        param.write_text(wrong)
        code, (report,) = said(program.program, "--release", tmp_path, "verify", golden)
        assert (code, report["ok"]) == (4, False), wrong
        assert str(param) in report["error"]


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("input", np.zeros((5, 6, 5, 3), np.float32), "input.npy: must be uint8"),
        ("input", np.zeros((5, 6), np.uint8), "input.npy: must be uint8"),
        ("input", np.zeros((0, 6, 5, 3), np.uint8), "input.npy: has no samples"),
        ("output.logits", np.zeros((4, 3), np.float32), "4 samples, input.npy has 5"),
        ("output.logits", np.zeros((5, 4), np.float32), "4 numbers a sample, the program gives 3"),
        ("output.logits", np.zeros((5, 3), np.float64), "type '<f8'"),
        ("output.logits", np.zeros((5, 3), np.int64), "of another type"),
        ("output.heat", None, "output.heat.npy: No such file"),
        ("record.class", np.zeros((5, 2), np.int64), "2 numbers a sample, the program gives 1"),
    ],
)
def test_vectors_that_do_not_fit_are_never_a_pass(
    program: Tiny, tmp_path: Path, name: str, values: Any, words: str
) -> None:
    arrays = {**tiny.computed(tiny.images(5), tiny.weights()), name: values}
    golden = tiny.write_golden(tmp_path / "g", {n: v for n, v in arrays.items() if v is not None})
    code, (report,) = said(program.program, "verify", golden)
    assert (code, report["ok"]) == (4, False)
    assert words in report["error"]


def test_infer_says_one_line_a_file_and_goes_on_after_a_bad_one(program: Tiny, tmp_path: Path) -> None:
    raw = tiny.images(2)
    expected = tiny.computed(raw, tiny.weights())
    files = [
        tmp_path / name for name in ("a b.ppm", 'b"\\.ppm', "gray.pgm", "none.ppm", "seven.ppm", "z.ppm")
    ]
    files[0].write_bytes(tiny.ppm(raw[0]))
    files[1].write_bytes(b"P6 junk")
    files[2].write_bytes(tiny.ppm(raw[0, :, :, 0]))
    files[4].write_bytes(tiny.ppm(np.zeros((7, 1, 3), np.uint8)))
    files[5].write_bytes(tiny.ppm(raw[1]))
    code, lines = said(program.program, "infer", "--outputs", *files)
    assert code == 1
    assert [line["file"] for line in lines] == [str(file) for file in files]
    for n, line in ((0, lines[0]), (1, lines[5])):
        assert line["class"] == expected["record.class"][n]
        assert (line["name"], line["sure"]) == ('näme "quoted"', line["confidence"] > 0.5)
        assert line["chances"][line["class"]] == line["confidence"]
        np.testing.assert_allclose(line["outputs"]["logits"], expected["output.logits"][n], atol=1e-4)
        np.testing.assert_allclose(line["outputs"]["heat"], expected["output.heat"][n].ravel(), atol=1e-4)
    errors = [line["error"] for line in lines[1:5]]
    assert "width is not a number" in errors[0]
    assert errors[1] == "pre: not a colour image"
    assert "No such file" in errors[2]
    assert errors[3] == "pre: threw something that is not a std::exception"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "usage:"),
        (["fly"], "unknown command fly"),
        (["--wings", "about"], "unknown option --wings"),
        (["infer"], "infer needs a file"),
        (["run"], "run takes --data DIR"),
        (["run", "--data"], "--data needs a folder"),
        (["verify", "a", "b"], "verify takes one folder"),
        (["about", "--outputs"], "--outputs goes with infer"),
    ],
)
def test_a_wrong_call_is_told_how_it_goes(program: Tiny, words: list[str], complaint: str) -> None:
    done = start(program.program, *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert complaint in done.stderr.decode()
    assert "infer [--outputs] FILE..." in done.stderr.decode()


def test_the_release_is_found_from_anywhere_and_through_a_link(program: Tiny, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(program.release)
    relative = os.path.relpath(program.program, tmp_path)
    for call in (relative, "current/bin/tiny"):
        done = run(command("/bin/sh", "-c", f"exec ./'{call}' verify", cwd=tmp_path))
        assert done.returncode == 0, done.text()


def test_an_answer_that_cannot_be_written_is_no_success(program: Tiny) -> None:
    done = run(command("/bin/sh", "-c", f"exec '{program.program}' verify > /dev/full"))
    assert done.returncode == 1
