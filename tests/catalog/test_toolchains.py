"""What identifies a compiler for the keys of a plan."""

from pathlib import Path

import pytest

from edgepack.catalog.toolchains import Elsewhere, GccByPath, by_path, elsewhere, flags, label, pins
from edgepack.errors import InputError


def test_zig_is_what_the_lock_says_for_every_architecture() -> None:
    assert pins("zig", "aarch64") == pins("zig", "riscv64")
    assert set(pins("zig", "aarch64")) == {"toolchain", "flags", "lock"}


def test_another_gcc_is_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    without = pins("gcc", "aarch64")
    program = tmp_path / "aarch64-linux-gnu-g++"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    installed = pins("gcc", "aarch64")
    program.write_text("#!/bin/sh\n# upgraded\n")
    assert len({str(sorted(p.items())) for p in (without, installed, pins("gcc", "aarch64"))}) == 3
    assert without["compiler"] == "absent"


def test_an_unknown_toolchain_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="clang") as refused:
        pins("clang", "aarch64")
    assert "zig" in refused.value.why


PATHS = {
    "gcc:/opt/v 1/bin/aarch64-linux-gnu-gcc": ("/opt/v 1/bin/aarch64-linux-gnu-gcc", None, "g++", "ar"),
    "gcc:/opt/arm-gcc-12.2:/opt/root": ("/opt/arm-gcc-12.2", "/opt/root", "g++-12.2", "ar"),
}


@pytest.mark.parametrize("word", PATHS)
def test_a_vendors_gcc_is_one_word_in_a_plan(word: str) -> None:
    gcc, sysroot, cxx, ar = PATHS[word]
    given = by_path(word)
    assert given == GccByPath(Path(gcc), Path(sysroot) if sysroot else None)
    assert str(given) == word
    assert given.beside("g++").name.endswith(cxx)
    assert given.beside("ar").name.endswith(ar)
    assert "/" not in label(word)
    assert label(word).startswith("gcc-")
    assert flags(word) == flags("gcc")


@pytest.mark.parametrize("word", ["zig", "gcc"])
def test_a_toolchain_by_name_has_no_path(word: str) -> None:
    assert by_path(word) is None
    assert label(word) == word


def test_what_changes_in_a_sysroot_or_a_compiler_is_another_key(tmp_path: Path) -> None:
    gcc, root = tmp_path / "bin" / "x-gcc", tmp_path / "root"
    (root / "usr").mkdir(parents=True)
    gcc.parent.mkdir()
    word = f"gcc:{gcc}:{root}"
    absent = pins(word, "aarch64")
    assert absent["compiler"] == "absent"
    gcc.write_text('#!/bin/sh\n[ "$1" = -dumpmachine ] && echo aarch64-none-linux-gnu || echo 12.2.0\n')
    gcc.chmod(0o755)
    there = pins(word, "aarch64")
    assert there["compiler"].startswith("12.2.0 aarch64-none-linux-gnu x-gcc:")
    (root / "usr" / "libz.a").write_text("1")
    assert pins(word, "aarch64")["sysroot"] != there["sysroot"]


ELSEWHERE = {
    "container:debian-gcc:12": ("container", "debian-gcc:12", "", ""),
    "container:localhost:5000/v/sdk@sha256:12=sha256:34": (
        "container", "localhost:5000/v/sdk@sha256:12", "", "sha256:34",
    ),
    "container:v/sdk#/opt/x/bin/arm-gcc=absent": ("container", "v/sdk", "/opt/x/bin/arm-gcc", "absent"),
    "node:edge-01": ("node", "edge-01", "", ""),
    "node:edge-01=gcc-12.2.0-glibc-2.36-0a": ("node", "edge-01", "", "gcc-12.2.0-glibc-2.36-0a"),
}  # fmt: skip


@pytest.mark.parametrize("word", ELSEWHERE)
def test_a_compiler_elsewhere_is_one_word_with_what_it_was_found_to_be(word: str) -> None:
    named = elsewhere(word)
    assert named == Elsewhere(*ELSEWHERE[word])
    assert str(named) == word
    assert named.asked == word.partition("=")[0]
    assert by_path(word) is None
    assert label(word).partition("-")[0] == named.kind
    assert set(label(word)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-"), "part of a folder's name"
    assert flags(word) == flags("gcc")
    assert pins(word, "aarch64")["toolchain"] == word, "another image or another gcc there is another key"


@pytest.mark.parametrize("word", ["zig", "gcc", "gcc:/opt/bin/gcc:/opt/root", "container:", "box:edge-01"])
def test_no_other_word_is_a_compiler_elsewhere(word: str) -> None:
    assert elsewhere(word) is None
