"""What steps left, laid out as files for the programs that read them."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgepack.plan.step import Work


def lay_out(work: Work, slot: str, folder: Path) -> Path:
    """The files that a slot's step left, by their names, in ``folder``; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, output in work.result(slot).outputs.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work.store.blob(output.sha256), place)
    return folder


@contextlib.contextmanager
def laid_out(work: Work, slot: str) -> Iterator[Path]:
    """The same in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="edgepack-model-") as temporary:
        yield lay_out(work, slot, Path(temporary))
