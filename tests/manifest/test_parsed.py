"""A large file is parsed once, and says the same afterwards, also of its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack import document
from edgepack.errors import InputError
from edgepack.manifest import fleet, parsed

NODE = "  box-{0:05d}: {{target: x86_64, address: h{0}, labels: {{row: r{0}}}}}\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    (tmp_path / "fleet.yaml").write_text("nodes:\n" + "".join(NODE.format(n) for n in range(1500)))
    assert (tmp_path / "fleet.yaml").stat().st_size > parsed.LARGE
    return tmp_path / "fleet.yaml"


def kept(file: Path) -> Path:
    (one,) = (file.parent / "cache" / "parsed").iterdir()
    return one


def test_it_says_the_same_and_is_not_parsed_again(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fleet.load(file.parent)
    assert kept(file).is_file()

    def never(*_: object) -> document.Document:
        pytest.fail("it is parsed again")

    monkeypatch.setattr(document, "parse", never)
    again = fleet.load(file.parent)
    assert again == first
    assert again.places["box-01499"] == "fleet.yaml:1501"


def test_a_mistake_far_inside_has_its_line(file: Path) -> None:
    file.write_text(file.read_text().replace("row: r700}", "row: 'r 7'}"))
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            fleet.load(file.parent)
        (problem,) = caught.value.problems
        assert (problem.line, problem.path) == (702, "nodes.box-00700.labels.row")


@pytest.mark.parametrize("spoilt", [b"", b"{", b"[]", b'{"data": 1}', b'{"data": {}, "lines": [1]}', b"\xff"])
def test_what_is_kept_and_spoilt_is_made_anew(file: Path, spoilt: bytes) -> None:
    first = fleet.load(file.parent)
    whole = kept(file).read_bytes()
    kept(file).write_bytes(spoilt)
    assert fleet.load(file.parent) == first
    assert kept(file).read_bytes() == whole
