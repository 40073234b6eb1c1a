"""The form `sdk`: a library as a partner gets it, linked from a project outside, and called wrongly."""

from __future__ import annotations

import ctypes
import io
import json
import os
import shutil
import threading
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from edgepack.catalog.architectures import architecture
from edgepack.cli.main import main
from edgepack.compile import elf
from edgepack.compile.toolchains import zig
from edgepack.package.sdk_reference import reference
from edgepack.tools import qemu
from edgepack.tools.runner import command, run

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HOST = qemu.host_arch()
OK, FAILED, ARGUMENT, MODEL = 0, 1, 2, 4


@dataclass(frozen=True)
class Sdk:
    folder: Path
    project: Path

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def image(self) -> tuple[Path, np.ndarray]:
        """A digit, as a file and as its pixels."""
        file = sorted((self.project / "data" / "val").glob("*.pgm"))[0]
        with np.load(self.project / "data" / "golden.npz") as golden:
            height, width = golden["input"].shape[1:3]
        return file, np.frombuffer(file.read_bytes()[-height * width :], np.uint8).reshape(height, width)


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Sdk:
    project = tmp_path_factory.mktemp("sdk") / "digits"
    hidden = shutil.ignore_patterns(".edgepack", "dist", "edgepack.lock")
    shutil.copytree(ROOT / "examples" / "digits", project, ignore=hidden)
    manifest = project / "edgepack.yaml"
    manifest.write_text(manifest.read_text().replace("form: app", "form: sdk", 1))
    assert main(["build", HOST, "-C", str(project)]) == 0
    return Sdk(project / "dist" / f"digits@{HOST}.sdk", project)


def test_a_partner_gets_all_that_there_is_to_link_and_to_read(sdk: Sdk) -> None:
    there = {p.relative_to(sdk.folder).as_posix() for p in sdk.folder.rglob("*")}
    assert there >= {
        *("include/digits.h", "include/digits.hpp"),
        *("lib/libdigits.so", "lib/libdigits.so.1", "lib/libdigits.so.1.0.0", "lib/libdigits.a"),
        *(
            "lib/cmake/digits/digits-config.cmake",
            "lib/pkgconfig/digits.pc",
            "lib/pkgconfig/digits-static.pc",
        ),
        *(
            "share/example/main.c",
            "share/doc/reference.md",
            "sbom.cdx.json",
            "LICENSES/glibc.txt",
            "golden/input.npy",
        ),
    }
    about = json.loads((sdk.folder / "sdk.json").read_text())
    assert about["proof"]["ok"] is True
    assert about["proof"]["outputs"]["logits"]["ok"] is True
    assert not [name for name in there if "edgepack" in name or "debug" in name or "musl" in name]


def test_it_loads_wherever_there_is_a_glibc_and_exports_its_interface_alone(sdk: Sdk) -> None:
    library = sdk.folder / "lib" / "libdigits.so.1.0.0"
    info = elf.inspect(library)
    assert info.soname == "libdigits.so.1"
    assert info.stripped
    assert all(
        name.startswith(("libc.", "libm.", "libpthread.", "libdl.", "ld-linux")) for name in info.needed
    )
    elf.check_loads(info, HOST, {"GLIBC": architecture(HOST).glibc})
    header = (sdk.folder / "include" / "digits.h").read_text()
    exports = elf.exports(library)
    assert exports
    assert all(f" {name}(" in header or f"*{name}(" in header for name in exports), exports


def test_a_project_outside_links_it(sdk: Sdk, tmp_path: Path) -> None:
    """With the host's compiler where there is one: it is not the one that made the library."""
    tools = zig.environment()
    own = zig.toolchain(architecture(HOST), glibc=architecture(HOST).glibc)
    for name, argv in (("cc", own.cc), ("cxx", own.cxx)):
        lines = [f"export {key}={value}" for key, value in own.env.items()]
        (tmp_path / name).write_text("\n".join(["#!/bin/sh", *lines, f'exec {" ".join(argv)} "$@"\n']))
        (tmp_path / name).chmod(0o755)
    compilers = {
        "C": shutil.which("gcc") or str(tmp_path / "cc"),
        "CXX": shutil.which("g++") or str(tmp_path / "cxx"),
    }
    moved = tmp_path / "moved"  # nothing in it knows where it was made
    shutil.copytree(sdk.folder, moved, symlinks=True)
    build = tmp_path / "build"
    words = [f"-DCMAKE_{language}_COMPILER={program}" for language, program in compilers.items()]
    configure = command(
        *(tools / "cmake", "-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}", *words),
        *(f"-DCMAKE_PREFIX_PATH={moved}", "-S", moved / "share" / "example", "-B", build),
    )
    for asked in (configure, command(tools / "cmake", "--build", build)):
        done = run(asked)
        assert done.ok, done.text()
    file, pixels = sdk.image()
    in_c = run(command(build / "example_c", moved / "model", file))
    size = [str(axis) for axis in (*pixels.shape, 1)]
    in_cpp = run(command(build / "example_cpp", moved / "model", *size, stdin=pixels.tobytes()))
    by_program = run(command(moved / "bin" / "digits", "--release", moved, "infer", file))
    wanted = json.loads(by_program.stdout)
    del wanted["file"]
    assert json.loads(in_c.stdout) == json.loads(in_cpp.stdout) == wanted
    assert "class" in wanted


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no other compiler here than zig")
def test_the_static_one_is_linked_by_gcc_beside_another_cpp_library(sdk: Sdk, tmp_path: Path) -> None:
    """The golden vectors through it; also in C alone, and in a program without any shared library."""
    tools = zig.environment()
    build = tmp_path / "build"
    words = ("-DCMAKE_C_COMPILER=gcc", "-DCMAKE_CXX_COMPILER=g++", f"-DCMAKE_PREFIX_PATH={sdk.folder}")
    ninja = f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}"
    outside = Path(__file__).with_name("outside")
    configure = command(tools / "cmake", "-G", "Ninja", ninja, *words, "-S", outside, "-B", build)
    for asked in (configure, command(tools / "cmake", "--build", build)):
        done = run(asked)
        assert done.ok, done.text()
    with np.load(sdk.project / "data" / "golden.npz") as golden:
        images, wanted = golden["input"], golden["output.logits"]
    size = [str(axis) for axis in images.shape[1:3]]
    said = {}
    for name in ("answers_sdk", "answers_static", "beside_sdk", "beside_static", "alone"):
        done = run(command(build / name, sdk.model, *size, stdin=images.tobytes()))
        assert done.ok, (name, done.text())
        said[name] = done.stdout
        np.testing.assert_allclose(
            np.frombuffer(done.stdout, np.float32).reshape(wanted.shape), wanted, atol=1e-3
        )
    assert len(set(said.values())) == 1
    assert not [
        name for name in elf.inspect(build / "answers_static").needed if "digits" in name or "++" in name
    ]
    assert elf.inspect(build / "alone").static


def test_the_static_one_defines_its_interface_alone(sdk: Sdk, tmp_path: Path) -> None:
    tool = zig.toolchain(architecture(HOST), glibc=architecture(HOST).glibc)
    archive = sdk.folder / "lib" / "libdigits.a"
    assert run(command(*tool.ar, "t", archive, env=tool.env)).stdout.split() == [b"digits.o"]
    member = run(command(*tool.ar, "p", archive, "digits.o", env=tool.env)).stdout
    table = ELFFile(io.BytesIO(member)).get_section_by_name(".symtab")
    outside = [symbol for symbol in table.iter_symbols() if symbol["st_info"]["bind"] != "STB_LOCAL"]
    defined = {symbol.name for symbol in outside if symbol["st_shndx"] != "SHN_UNDEF"}
    assert defined == elf.exports(sdk.folder / "lib" / "libdigits.so.1.0.0")
    assert not [symbol.name for symbol in outside if symbol.name.startswith("_Z")]


@pytest.mark.skipif(
    shutil.which("gcc") is None or shutil.which("pkg-config") is None, reason="no gcc or no pkg-config here"
)
@pytest.mark.parametrize("package", ["digits", "digits-static"])
def test_pkg_config_knows_both(sdk: Sdk, tmp_path: Path, package: str) -> None:
    env = {"PKG_CONFIG_PATH": str(sdk.folder / "lib" / "pkgconfig")}
    flags = run(command("pkg-config", "--cflags", "--libs", package, env=env))
    assert flags.ok, flags.text()
    source, program = Path(__file__).with_name("outside") / "answers.c", tmp_path / "answers"
    words = flags.stdout.decode().split()
    done = run(command("gcc", source, *words, f"-Wl,-rpath,{sdk.folder / 'lib'}", "-o", program))
    assert done.ok, done.text()
    assert run(command(program, sdk.model, "8", "8", stdin=b"")).ok


@pytest.fixture(scope="module")
def library(sdk: Sdk) -> ctypes.CDLL:
    loaded = ctypes.CDLL(str(sdk.folder / "lib" / "libdigits.so.1"))
    for name in (
        "digits_error",
        "digits_version",
        "digits_answer_json",
        "digits_output",
        "digits_answer_field",
    ):
        getattr(loaded, name).restype = ctypes.c_char_p
    return loaded


Handle = ctypes.c_void_p


def opened(library: ctypes.CDLL, folder: Path) -> tuple[int, Handle]:
    model = Handle(1)
    return library.digits_open(str(folder).encode(), ctypes.byref(model)), model


def test_what_is_called_wrongly_is_told_and_breaks_nothing(
    sdk: Sdk, library: ctypes.CDLL, tmp_path: Path
) -> None:
    code, none = opened(library, tmp_path / "nowhere")
    assert (code, none.value) == (MODEL, None)
    assert b"nowhere" in library.digits_error()
    assert library.digits_open(None, ctypes.byref(none)) == ARGUMENT
    code, model = opened(library, sdk.model)
    assert (code, library.digits_error()) == (OK, b"")
    _, pixels = sdk.image()
    data, answer = pixels.tobytes(), Handle(1)
    height, width = pixels.shape
    wrong = [
        (None, data, height, width, 1, 0),
        (model, None, height, width, 1, 0),
        (model, data, 0, width, 1, 0),
        (model, data, height, -1, 1, 0),
        (model, data, height, width, 2, 0),
        (model, data, height, width, 1, width - 1),
    ]
    for handle, bytes_, rows, columns, channels, stride in wrong:
        said = library.digits_infer(
            handle, bytes_, rows, columns, channels, ctypes.c_size_t(stride), ctypes.byref(answer)
        )
        assert (said, answer.value) == (ARGUMENT, None), (rows, columns, channels, stride)
        assert library.digits_error()
    assert library.digits_infer(model, data, height, width, 1, ctypes.c_size_t(0), ctypes.byref(answer)) == OK
    number = ctypes.c_double()
    assert library.digits_answer_number(answer, b"class", ctypes.byref(number)) == OK
    assert number.value == json.loads(library.digits_answer_json(answer))["class"]
    assert library.digits_answer_number(answer, b"nothing", ctypes.byref(number)) == ARGUMENT
    assert library.digits_error() == b"the field 'nothing' is not there"
    text = ctypes.c_char_p()
    assert library.digits_answer_text(answer, b"class", ctypes.byref(text)) == ARGUMENT
    assert library.digits_error() == b"the field 'class' is not text"
    library.digits_answer_free(answer)
    library.digits_answer_free(None)
    library.digits_close(model)
    library.digits_close(None)


def test_rows_may_have_a_gap(sdk: Sdk, library: ctypes.CDLL) -> None:
    _, model = opened(library, sdk.model)
    _, pixels = sdk.image()
    height, width = pixels.shape
    padded = np.full((height, width + 5), 255, np.uint8)
    padded[:, :width] = pixels
    said = []
    for data, stride in ((pixels, 0), (padded, width + 5)):
        answer = Handle()
        asked = (model, data.tobytes(), height, width, 1, ctypes.c_size_t(stride), ctypes.byref(answer))
        assert library.digits_infer(*asked) == OK
        said.append(library.digits_answer_json(answer))
        library.digits_answer_free(answer)
    library.digits_close(model)
    assert said[0] == said[1]


def test_threads_have_their_own_models_and_their_own_errors(sdk: Sdk, library: ctypes.CDLL) -> None:
    _, pixels = sdk.image()
    data, (height, width) = pixels.tobytes(), pixels.shape
    said: list[bytes] = []

    def work(number: int) -> None:
        _, model = opened(library, sdk.model)
        for _ in range(20):
            answer = Handle()
            asked = (model, data, height, width, 1, ctypes.c_size_t(0), ctypes.byref(answer))
            assert library.digits_infer(*asked) == OK
            missing = f"field{number}".encode()
            library.digits_answer_number(answer, missing, ctypes.byref(ctypes.c_double()))
            assert missing in library.digits_error()
            said.append(library.digits_answer_json(answer))
            library.digits_answer_free(answer)
        library.digits_close(model)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(said), len(set(said))) == (80, 1)


def test_the_reference_has_every_call_of_the_header(sdk: Sdk) -> None:
    header = (sdk.folder / "include" / "digits.h").read_text()
    page = reference(header, "digits")
    words = header.replace("*", " ").replace("(", " ( ").split()
    calls = {word for word, after in pairwise(words) if after == "("}
    assert {name for name in calls if name.startswith("digits_")} <= set(page.replace("(", " ").split())
    assert "digits.h" not in page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("version: 1.0-beta", "an sdk's version is like 1.2.0"),
        ("name: int", "its C++ namespace would be a keyword"),
    ],
)
def test_what_cannot_be_an_sdk_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, said: str
) -> None:
    project = tmp_path / "digits"
    shutil.copytree(ROOT / "examples" / "digits", project, ignore=shutil.ignore_patterns(".edgepack", "dist"))
    manifest = project / "edgepack.yaml"
    key = change.partition(":")[0]
    lines = [change if line.startswith(f"{key}:") else line for line in manifest.read_text().splitlines()]
    manifest.write_text(os.linesep.join(lines).replace("form: app", "form: sdk", 1))
    assert main(["plan", "-C", str(project)]) == 3
    assert said in capsys.readouterr().err
