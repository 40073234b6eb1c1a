"""A program and the libraries beside it: what would not load on the target is found before it is packaged."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.compile import elf, loads
from edgepack.compile.errors import LoadError
from edgepack.compile.toolchains.select import toolchain
from edgepack.tools.runner import command, run

pytestmark = pytest.mark.slow

# arc4random is in glibc since 2.36, so no older box has it.
NEW = "#include <stdlib.h>\nunsigned lucky(void) { return arc4random(); }\n"
MAIN = "unsigned lucky(void);\nint main(void) { return lucky() > 7; }\n"
# A library that defines one version of its own, and one that asks for it.
GIVES = "int __given(void) { return 1; }\n"
VERSIONS = "GLIBCXX_3.4 { global: __given; };\nGLIBCXX_3.4.30 { global: __later; } GLIBCXX_3.4;\n"


class Zig:
    """zig's C compiler for aarch64, by the glibc that is linked to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, glibc: str, *words: str | Path) -> None:
        tool = toolchain("zig", "aarch64", glibc=glibc)
        done = run(command(*tool.cc, "-O2", *words, cwd=self.folder, env=tool.env))
        assert done.ok, done.text()


@pytest.fixture
def zig(tmp_path: Path) -> Zig:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "luck.c").write_text(NEW)
    (tmp_path / "src" / "main.c").write_text(MAIN)
    return Zig(tmp_path)


def test_a_program_for_too_new_a_glibc_is_refused_with_symbol_object_and_flag(
    zig: Zig, tmp_path: Path
) -> None:
    place = tmp_path / "CMakeFiles" / "user.dir" / str(tmp_path / "src").removeprefix("/")
    objects = [place / f"{name}.c.o" for name in ("luck", "main")]
    objects[0].parent.mkdir(parents=True)
    for path in objects:
        zig("2.38", "-c", f"src/{path.name.removesuffix('.o')}", "-o", path)
    program = tmp_path / "digits"
    zig("2.38", *objects, "-o", program)
    with pytest.raises(LoadError) as refused:
        loads.check(program, (), "aarch64", "2.31", objects)
    error = refused.value
    assert error.what == "digits needs GLIBC_2.36, the target has 2.31"
    assert "the symbol arc4random is taken from libc.so.6" in error.why
    assert f"; {tmp_path / 'src' / 'luck.c'} asks for it" in error.why
    assert "-target aarch64-linux-gnu.2.31" in error.fix
    assert error.exit_code == 7
    assert loads.check(program, (), "aarch64", "2.36") == loads.Needs("glibc 2.36", "digits", "arc4random")


def test_what_zig_links_for_an_old_glibc_asks_for_no_newer_one(zig: Zig, tmp_path: Path) -> None:
    (tmp_path / "src" / "luck.c").write_text(NEW.replace("arc4random", "rand"))
    program = tmp_path / "digits"
    zig("2.17", "src/luck.c", "src/main.c", "-o", program)
    assert loads.check(program, (), "aarch64", "2.17").libc == "glibc 2.17"
    with pytest.raises(LoadError, match=r"digits needs GLIBC_2\.17, the target has 2\.16"):
        loads.check(program, (), "aarch64", "2.16")


def library(zig: Zig, name: str, source: str, *words: str | Path) -> Path:
    file = zig.folder / f"{name.partition('.')[0]}.c"
    file.write_text(source)
    made = zig.folder / name
    zig("2.17", "-shared", "-fPIC", f"-Wl,-soname,{name}", file, "-o", made, *words)
    return made


def test_the_libraries_of_the_bundle_are_held_to_each_other(zig: Zig, tmp_path: Path) -> None:
    """An older copy of a library than the one that another was linked with is found by its versions."""
    (tmp_path / "new.map").write_text(VERSIONS)
    (tmp_path / "old.map").write_text(VERSIONS.splitlines()[0])
    later = GIVES + "int __later(void) { return 2; }\n"
    given = library(zig, "libgiven.so.1", later, "-Wl,--version-script,new.map")
    user = library(zig, "libuser.so.1", "int __later(void);\nint used(void) { return __later(); }\n", given)
    program = tmp_path / "digits"
    (tmp_path / "src" / "main.c").write_text("int used(void);\nint main(void) { return used(); }\n")
    zig("2.17", "src/main.c", user, given, "-o", program)

    assert elf.inspect(given).version_defs == {"GLIBCXX": "3.4.30"}
    assert loads.check(program, (given, user), "aarch64", "2.31").libc == "glibc 2.17"
    with pytest.raises(LoadError, match=r"digits needs libuser\.so\.1, which neither the bundle"):
        loads.check(program, (given,), "aarch64", "2.31")
    with pytest.raises(LoadError, match=r"libuser\.so\.1 is for aarch64, not armhf|digits is for aarch64"):
        loads.check(program, (given, user), "armhf", "2.31")
    old = library(zig, "libgiven.so.1", GIVES, "-Wl,--version-script,old.map")
    with pytest.raises(LoadError) as refused:
        loads.check(program, (old, user), "aarch64", "2.31")
    said = f"{refused.value.what} {refused.value.why} {refused.value.fix}"
    assert "libuser.so.1 needs GLIBCXX_3.4.30, the bundle's libgiven.so.1 has 3.4" in said
    assert "__later is taken from libgiven.so.1" in said


def test_a_program_is_for_the_libc_that_the_target_has(zig: Zig, tmp_path: Path) -> None:
    (tmp_path / "src" / "main.c").write_text("int main(void) { return 0; }\n")
    zig("2.17", "src/main.c", "-o", "for-glibc")
    zig("", "src/main.c", "-dynamic", "-o", "for-musl")
    assert loads.check_for(tmp_path / "for-glibc", (), "aarch64", None).libc == "glibc 2.17"
    assert loads.check_for(tmp_path / "for-musl", (), "aarch64", "musl") == loads.Needs("musl")
    for name, libc, what in (
        ("for-glibc", "uClibc", "for-glibc is linked to glibc, the target has uClibc"),
        ("for-musl", "glibc 2.31", "for-musl is linked to musl, the target has glibc 2.31"),
    ):
        with pytest.raises(LoadError) as refused:
            loads.check_for(tmp_path / name, (), "aarch64", libc)
        assert refused.value.what == what
        assert "`toolchain: {gcc: PATH}`" in refused.value.fix
