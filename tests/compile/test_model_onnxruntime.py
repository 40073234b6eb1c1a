"""A program with ONNX Runtime computes what NumPy does, is the same in any folder, and says what is wrong."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgepack.catalog.onnxruntime_build import ONNX_RUNTIME
from edgepack.compile import elf, loads
from edgepack.compile.elf import inspect
from edgepack.compile.errors import LoadError
from edgepack.tools.qemu import host_arch
from edgepack.tools.runner import command, run
from tests.compile import packaged_project
from tests.compile import program_project as tiny
from tests.compile.packaged_project import loaded, verified

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host_arch() not in ONNX_RUNTIME.libraries, reason="there is no library for this host"),
]


def model(batch: int | str = 1, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """The small project's network as ONNX."""
    known = tiny.weights()
    numbers = {
        "kernel": known.kernel[:, None],
        "kernel_bias": known.kernel_bias,
        "full": known.full.T.copy(),
        "full_bias": known.full_bias,
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["floats", "kernel", "kernel_bias"], ["heat"]),
        helper.make_node("Flatten", ["heat"], ["flat"]),
        helper.make_node("Gemm", ["flat", "full", "full_bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", kind, [batch, 1, 4, 4])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3]),
            helper.make_tensor_value_info("heat", TensorProto.FLOAT, [batch, 2, 3, 3]),
        ],
        [numpy_helper.from_array(values, name) for name, values in numbers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = packaged_project.release(tmp_path_factory.mktemp("onnxruntime"), "onnxruntime")
    onnx.save(model(), place / "model" / "model.onnx")
    return place


@pytest.fixture
def copy(release: Path, tmp_path: Path) -> Path:
    place = tmp_path / "release"
    shutil.copytree(release, place, copy_function=shutil.copy2)
    return place


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++ on this host")
def test_gcc_makes_it_too_with_its_own_libstdcpp_inside(tmp_path: Path) -> None:
    """Linked to gcc's own glibc, which is held to the target's."""
    place = packaged_project.release(tmp_path, "onnxruntime", name="gcc")
    onnx.save(model(), place / "model" / "model.onnx")
    code, report = verified(place)
    assert (code, report["ok"]) == (0, True), report
    program = place / "bin" / "tiny"
    libraries = sorted((place / "lib").iterdir())
    assert not [name for name in inspect(program).needed if "stdc++" in name or "gcc_s" in name]
    assert not elf.exports(program) & elf.exports(place / "lib" / "libstdc++.so.6")
    loads.check(program, libraries, host_arch(), platform.libc_ver()[1])
    with pytest.raises(LoadError, match=r"tiny needs GLIBC_2\.\d+, the target has 2\.2"):
        loads.check(program, libraries, host_arch(), "2.2")


def test_it_computes_what_numpy_does_and_asks_for_an_old_glibc_only(release: Path) -> None:
    code, report = verified(release)
    assert (code, report["ok"], report["samples"]) == (0, True, 5), report
    about = json.loads(run(command(release / "bin" / "tiny", "about")).stdout)
    assert (about["runtime"], about["build_id"]) == ("onnxruntime", inspect(release / "bin/tiny").build_id)
    libraries = sorted((release / "lib").iterdir())
    assert [path.name for path in libraries] == ["libgcc_s.so.1", "libonnxruntime.so.1", "libstdc++.so.6"]
    needs = loads.check(release / "bin" / "tiny", libraries, host_arch(), "2.28")
    assert (needs.libc, needs.object) == ("glibc 2.28", "libonnxruntime.so.1")
    taken = loaded(release, ["libstdc++.so.6", "libgcc_s.so.1"])
    assert [Path(path).resolve().parent for path in taken] == [release / "lib"] * 2
    own = inspect(release / "bin" / "tiny")
    assert own.version_needs["GLIBC"].version == "2.17"
    assert not [name for name in own.needed if "stdc++" in name or "onnxruntime" in name]


def test_its_libraries_are_held_to_the_target_and_to_each_other(release: Path) -> None:
    program, libraries = release / "bin" / "tiny", sorted((release / "lib").iterdir())
    with pytest.raises(
        LoadError, match=r"libonnxruntime\.so\.1 needs GLIBC_2\.28, the target has 2\.27"
    ) as old:
        loads.check(program, libraries, host_arch(), "2.27")
    assert "fcntl64" in old.value.why
    assert "`runtime: ncnn`" in old.value.fix
    with pytest.raises(LoadError, match=r"libonnxruntime\.so\.1 needs libstdc\+\+\.so\.6, which neither"):
        loads.check(program, libraries[:-1], host_arch(), "2.31")


def test_a_batch_of_any_size_is_given_one_image(copy: Path) -> None:
    onnx.save(model("batch"), copy / "model" / "model.onnx")
    assert verified(copy)[0] == 0


def cut(release: Path) -> None:
    file = release / "model" / "model.onnx"
    file.write_bytes(file.read_bytes()[:200])


def renamed(old: str, new: str) -> Callable[[Path], None]:
    def change(release: Path) -> None:
        other = model()
        for node in other.graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]
        for value in (*other.graph.input, *other.graph.output):
            value.name = new if value.name == old else value.name
        onnx.save(other, release / "model" / "model.onnx")

    return change


def of_halves(release: Path) -> None:
    onnx.save(model(kind=TensorProto.FLOAT16), release / "model" / "model.onnx")


def of_two(release: Path) -> None:
    onnx.save(model(2), release / "model" / "model.onnx")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no model": (lambda r: (r / "model/model.onnx").unlink(), "model.onnx failed"),
    "half a model": (cut, "ONNX Runtime cannot read"),
    "another output": (renamed("logits", "scores"), "has no output logits"),
    "another input": (renamed("image", "picture"), "has not the one input image"),
    "half precision at its input": (of_halves, "image is not float32"),
    "a batch of two": (of_two, "image is {2, 1, 4, 4}, {1, 4, 4} was expected"),
    "no library": (lambda r: shutil.rmtree(r / "lib"), "ONNX Runtime cannot be loaded"),
    "another library": (
        lambda r: shutil.copy2(r / "lib/libgcc_s.so.1", r / "lib/libonnxruntime.so.1"),
        "has no OrtGetApiBase",
    ),
    "a damaged library": (lambda r: (r / "lib/libonnxruntime.so.1").write_bytes(b"ELF"), "file too short"),
}


@pytest.mark.parametrize(("breaks", "says"), BROKEN.values(), ids=BROKEN)
def test_what_is_wrong_is_said_and_is_never_a_pass(
    copy: Path, breaks: Callable[[Path], object], says: str
) -> None:
    breaks(copy)
    packaged_project.expect_refusal(copy, says)


def test_an_image_that_does_not_fit_costs_one_image(release: Path, tmp_path: Path) -> None:
    packaged_project.expect_one_image_lost(release, tmp_path)


def test_two_folders_give_the_same_program(release: Path, tmp_path: Path) -> None:
    files, spec = packaged_project.files("onnxruntime"), packaged_project.spec("onnxruntime")
    again = packaged_project.build(tmp_path / "somewhere else", files, spec)
    assert again.read_bytes() == (release / "bin" / "tiny").read_bytes()
