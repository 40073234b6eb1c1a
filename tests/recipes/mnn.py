"""MNN's own library, as a user has it in a folder: its wheel's extension module, which exports all of MNN.

The module asks for Python's symbols, which nothing here calls: they are in a library of our own, in the place
of the one library that the module brings along, behind which that one stands.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from elftools.elf.elffile import ELFFile

from edgepack.catalog import recipes
from edgepack.tools import uv
from edgepack.tools.runner import command, run


def folder(place: Path, headers: Path) -> Path:
    """``place`` with ``include``, ``lib`` and a licence text, as ``sdk: {mnn: FOLDER}`` takes it."""
    recipe = recipes.load_all(None)["onnx-mnn"]
    packages = next(uv.environment(recipe.lock, recipe.about.python).parents[1].glob("lib/*/site-packages"))
    (place / "lib").mkdir(parents=True)
    (place / "include").symlink_to(headers)
    (place / "LICENSE.txt").write_text("MNN is under the Apache License, Version 2.0\n")
    module = next(packages.glob("_mnncengine*.so"))
    shutil.copyfile(module, place / "lib" / "libMNN.so")
    openmp = next((packages / "mnn.libs").glob("libgomp-*"))
    _python(place / "lib", module, openmp)
    return place


def _python(lib: Path, module: Path, openmp: Path) -> None:
    """``openmp``'s name stands for Python's symbols, and for itself under another one."""
    was = openmp.name.partition(".")[0].encode()
    other = was[:-1] + (b"0" if was[-1:] != b"0" else b"1")
    kept = lib / openmp.name.replace(was.decode(), other.decode())
    kept.write_bytes(openmp.read_bytes().replace(was + b".so", other + b".so"))
    with module.open("rb") as content:
        table = ELFFile(content).get_section_by_name(".dynsym")
        asked = {symbol.name for symbol in table.iter_symbols() if symbol["st_shndx"] == "SHN_UNDEF"}
    symbols = sorted(name for name in asked if name.startswith(("Py", "_Py")))
    assert symbols, "a module of Python's asks for nothing of it"
    source = lib.parent / "python.c"
    source.write_text("".join(f"void *{name}[64];\n" for name in symbols))
    words = ("-shared", "-fPIC", "-Wl,--no-as-needed", f"-Wl,-soname,{openmp.name}")
    done = run(command("gcc", *words, source, kept, "-o", lib / openmp.name))
    assert done.ok, done.text()
