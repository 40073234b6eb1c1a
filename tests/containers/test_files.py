"""Rendered files in a folder: what is whose."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.containers import files
from edgepack.errors import InputError

MADE = "# Made by edgepack from x\n"


def test_a_second_run_leaves_all_as_it_is(tmp_path: Path) -> None:
    given = {"a.yaml": MADE, "below/b.yaml": MADE}
    assert files.write(tmp_path, given, {"c.yaml": "mine\n"}, dry=False) == {
        "a.yaml": "new",
        "below/b.yaml": "new",
        "c.yaml": "new",
    }
    before = (tmp_path / "a.yaml").stat()
    (tmp_path / "c.yaml").write_text("edited\n")
    again = files.write(tmp_path, given, {"c.yaml": "mine\n"}, dry=False)
    assert again == {"a.yaml": "same", "below/b.yaml": "same", "c.yaml": "kept"}
    assert (tmp_path / "a.yaml").stat().st_mtime_ns == before.st_mtime_ns
    assert (tmp_path / "c.yaml").read_text() == "edited\n"
    assert files.write(tmp_path, {"a.yaml": MADE + "b: 1\n"}, {}, dry=False) == {"a.yaml": "changed"}


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    assert files.write(tmp_path / "new", {"a": MADE}, {"b": "x"}, dry=True) == {"a": "new", "b": "new"}
    assert not (tmp_path / "new").exists()


def test_what_somebody_else_wrote_stays_and_so_does_the_rest(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("theirs: 1\n")
    with pytest.raises(InputError, match=r"b\.yaml is there, and edgepack did not make it"):
        files.write(tmp_path, {"a.yaml": MADE, "b.yaml": MADE}, {}, dry=False)
    assert [p.name for p in tmp_path.iterdir()] == ["b.yaml"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(MADE + "old\n")
    (tmp_path / "a.yaml").symlink_to(other)
    files.write(tmp_path, {"a.yaml": MADE}, {}, dry=False)
    assert other.read_text() == MADE + "old\n"
    assert not (tmp_path / "a.yaml").is_symlink()


def test_a_folder_that_cannot_be_written_in_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        files.write(tmp_path / "file" / "x", {"a": MADE}, {}, dry=False)


def test_what_is_not_made_any_more_goes_and_nothing_else(tmp_path: Path) -> None:
    given = {"base/a.yaml": MADE, "base/b.yaml": MADE, "sites/bern/c.yaml": MADE}
    files.write(tmp_path, given, {"overlays/bern/k.yaml": "# Yours\n"}, dry=False)
    (tmp_path / "base" / "mine.yaml").write_text("mine\n")
    (tmp_path / "base" / "link.yaml").symlink_to(tmp_path / "base" / "a.yaml")
    (tmp_path / "compose").mkdir()
    (tmp_path / "compose" / "compose.yaml").write_text(MADE)
    left, below = {"base/a.yaml": MADE}, ("base", "sites", "nowhere")
    told = {"base/b.yaml": "removed", "sites/bern/c.yaml": "removed"}
    assert files.sweep(tmp_path, below, left, dry=True) == told
    assert (tmp_path / "base" / "b.yaml").exists()
    assert files.sweep(tmp_path, below, left, dry=False) == told
    assert sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.yaml")) == [
        "base/a.yaml",
        "base/link.yaml",
        "base/mine.yaml",
        "compose/compose.yaml",
        "overlays/bern/k.yaml",
    ]
    assert not (tmp_path / "sites" / "bern").exists()
