from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.catalog.architectures import ARCHITECTURES
from edgepack.debug import gdb
from edgepack.errors import ToolError
from edgepack.tools import gdb as tool

SYMBOLS = Path("/s/.build-id/ab/cd.debug")


def test_it_connects_last_and_reads_nothing_of_the_box() -> None:
    setup = gdb.Setup(
        "aarch64", SYMBOLS, "127.0.0.1:4", {"/user": Path('/my "pro" ject')}, [Path("/l"), Path("/m")]
    )
    said = gdb.commands(setup)
    assert said[-1] == "target remote 127.0.0.1:4"
    assert "set sysroot /nonexistent" in said
    assert "set solib-search-path /l:/m" in said
    assert r'set substitute-path /user "/my \"pro\" ject"' in said
    assert f'file "{SYMBOLS}"' in said
    assert said.index("set architecture aarch64") < said.index(f'file "{SYMBOLS}"')


def test_nothing_is_connected_to_where_there_is_nothing() -> None:
    assert not any(line.startswith("target") for line in gdb.commands(gdb.Setup("armhf", SYMBOLS)))


def test_every_architecture_has_a_name_for_gdb() -> None:
    assert set(gdb.ARCHITECTURES) == set(ARCHITECTURES)


def program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_a_gdb_that_does_not_know_the_processor_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGEPACK_GDB", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match="no gdb on this host") as none:
        tool.find("aarch64")
    assert "gdb-multiarch" in none.value.fix
    program(tmp_path, "gdb", "echo 'Undefined item: \"aarch64\".' >&2; exit 1")
    with pytest.raises(ToolError, match="does not know aarch64"):
        tool.find("aarch64")
    program(tmp_path, "gdb-multiarch", "exit 0")
    assert tool.find("aarch64") == tmp_path / "gdb-multiarch"
    monkeypatch.setenv("EDGEPACK_GDB", "vendors-gdb")
    with pytest.raises(ToolError, match="EDGEPACK_GDB names no program"):
        tool.find("aarch64")
