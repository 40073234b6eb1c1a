from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgepack.debug import dump, symbols
from edgepack.debug.build_id import MOST, image_of
from edgepack.debug.errors import SymbolsError
from edgepack.errors import InputError
from edgepack.store import Store
from edgepack.tools import cache, debug_files

BUILD_ID = "ab" + "cd" * 19


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))


def test_what_is_not_here_is_told_with_its_build_id() -> None:
    with pytest.raises(SymbolsError, match=f"not here: build-id {BUILD_ID}") as refused:
        symbols.needed(BUILD_ID, "digits", "box-07")
    assert "--symbols import" in refused.value.fix
    with pytest.raises(SymbolsError, match="bears no build-id"):
        symbols.needed("", "digits", "box-07")


def test_a_build_from_before_they_were_kept_is_found_in_the_store(tmp_path: Path) -> None:
    file = tmp_path / "digits.debug"
    file.write_bytes(b"all of it")
    Store(cache.root() / "store").put("k", {"debug": file}, {"build_id": BUILD_ID})
    found = symbols.needed(BUILD_ID, "digits", "box-07")
    assert found == debug_files.place(BUILD_ID)
    assert found.relative_to(debug_files.folder()).as_posix() == f".build-id/ab/{'cd' * 19}.debug"
    assert found.read_bytes() == b"all of it"


def test_they_go_to_another_machine_by_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Path(sys.executable).resolve()
    image = image_of(whole.read_bytes()[:MOST])
    if image is None or not image.build_id:  # some are built without one
        pytest.skip("this Python bears no build-id")
    debug_files.keep(image.build_id, whole)
    share = tmp_path / "share"
    assert symbols.export(share).new == (image.build_id,)
    assert symbols.export(share).there == (image.build_id,)
    (share / "notes.txt").write_text("not a program")
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "other"))
    assert symbols.find(image.build_id) is None


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.debug").write_bytes(b"\x7fELF, it says")
    for given in (tmp_path, tmp_path / "x.debug", tmp_path / "nowhere"):
        with pytest.raises(SymbolsError, match="no debug file"):
            symbols.take_in(given)


def test_a_core_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "core").write_bytes(b"text")
    for given in (tmp_path / "core", tmp_path / "nowhere", Path(sys.executable)):
        with pytest.raises(InputError):
            dump.of(given)
