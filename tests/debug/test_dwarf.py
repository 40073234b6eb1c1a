"""Functions and lines of addresses, held to pyelftools' own reading of the same files."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from edgepack.compile.toolchains.select import toolchain
from edgepack.debug.dwarf import Frame, Symbols
from edgepack.debug.dwarf_forms import Damaged
from edgepack.tools.runner import command, run

SOURCE = """\
namespace outer {
struct Box {
  int value = 3;
  int grow(int by);
};
namespace {
inline __attribute__((always_inline)) int twice(volatile int* at) {
  *at = *at + 1;
  return *at * 2;
}
}  // namespace
__attribute__((noinline)) int Box::grow(int by) {
  volatile int here = by;
  value += twice(&here);
  return value;
}
}  // namespace outer
extern "C" __attribute__((section(".text.far"))) int far_away(int n) {
  outer::Box box;
  return box.grow(n) + n;
}
"""

ARCHS = {"x86_64": "elf64", "armhf": "elf32"}


@pytest.fixture(scope="module", params=[(arch, version) for arch in ARCHS for version in (4, 5)], ids=str)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shared library without libc, so that nothing but this is compiled."""
    arch, version = request.param
    folder = tmp_path_factory.mktemp("dwarf")
    source, made = folder / "box.cpp", folder / "libbox.so"
    source.write_text(SOURCE)
    tool = toolchain("zig", arch)
    words = ("-O2", f"-gdwarf-{version}", "-fPIC", "-shared", "-nostdlib", "-fno-sanitize=undefined")
    done = run(command(*tool.cxx, *words, source, "-o", made, cwd=folder, env=tool.env))
    assert done.ok, done.text()
    return made


def symbols(path: Path) -> dict[str, tuple[int, int]]:
    """Name → address and size."""
    with path.open("rb") as content:
        table: Any = ELFFile(content).get_section_by_name(".symtab")
        return {s.name: (s["st_value"] & ~1, s["st_size"]) for s in table.iter_symbols() if s["st_size"]}


def by_pyelftools(path: Path) -> dict[int, int]:
    """Address → line, at each beginning of a row that another follows."""
    found = {}
    with path.open("rb") as content:
        info = ELFFile(content).get_dwarf_info()
        for unit in info.iter_CUs():
            states = [entry.state for entry in info.line_program_for_CU(unit).get_entries() if entry.state]
            for state, after in pairwise(states):
                if not state.end_sequence and after.address > state.address:
                    found[state.address] = state.line
    return found


@pytest.mark.slow
def test_each_address_has_the_line_that_pyelftools_has(library: Path) -> None:
    expected = by_pyelftools(library)
    assert len(expected) > 5
    known = Symbols(library)
    (_, size), *_ = symbols(library).values()
    assert size > 0
    for address, line in expected.items():
        frames = known.at(address)
        assert frames, hex(address)
        if line:
            assert (Path(frames[0].file).name, frames[0].line) == ("box.cpp", line), hex(address)


@pytest.mark.slow
def test_functions_have_their_scopes_and_inlined_ones_say_into_what(library: Path) -> None:
    known, there = Symbols(library), symbols(library)
    mangled = next(name for name in there if "grow" in name)
    begin, size = there[mangled]
    frames = [known.at(address) for address in range(begin, begin + size)]
    assert {each[-1].function for each in frames} == {"outer::Box::grow"}
    inlined = [each for each in frames if len(each) == 2]
    assert inlined
    assert {(each[0].function, each[0].inlined) for each in inlined} == {("outer::(anonymous)::twice", True)}
    assert {(each[1].line, each[1].inlined) for each in inlined} == {(14, False)}, "where it is called"
    assert {each[0].line for each in inlined} <= {7, 8, 9}
    begin, _ = there["far_away"]
    assert known.at(begin)[0].function == "far_away", "a section of its own"


@pytest.mark.slow
def test_where_nothing_is_known_there_is_no_frame_and_damage_is_an_error_of_ours(
    library: Path, tmp_path: Path
) -> None:
    known = Symbols(library)
    assert known.at(0) == ()
    assert known.at(-1) == ()
    assert known.at(2**64 - 1) == ()
    begin, _ = symbols(library)["far_away"]
    whole = library.read_bytes()
    with library.open("rb") as content:
        file = ELFFile(content)
        places = [
            (section["sh_offset"], section["sh_size"])
            for section in file.iter_sections()
            if section.name in (".debug_info", ".debug_abbrev", ".debug_line")
        ]
    told = 0
    for number in range(300):
        offset, size = places[number % 3]
        at = offset + number * 7919 % size
        broken = tmp_path / "broken"
        broken.write_bytes(whole[:at] + bytes([whole[at] ^ (0x80 | number % 127)]) + whole[at + 1 :])
        try:
            frames = Symbols(broken).at(begin)
        except Damaged:
            told += 1
        else:
            assert all(isinstance(frame, Frame) for frame in frames)
    assert told > 0
    broken.write_bytes(b"not a program")
    with pytest.raises(Damaged, match="broken"):
        Symbols(broken)
