"""What identifies a compiler for the keys of a plan."""

from pathlib import Path

import pytest

from edgepack.catalog.toolchains import pins
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
