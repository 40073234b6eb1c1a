"""The writer: the same bytes for the same things, and never half a bundle."""

from __future__ import annotations

import dataclasses
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgepack import oci
from edgepack.bundle import KINDS, open_bundle
from edgepack.errors import Exit
from edgepack.oci import BundleError
from edgepack.package import blobs
from edgepack.package.bundle import BundleSpec, Content, write_bundle
from edgepack.package.errors import CannotWrite, PackageError
from tests.bundles import MODEL, SPEC, flip, layer_file


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def inodes(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_ino for p in (folder / "blobs" / "sha256").iterdir()}


def with_layer(kind: str, files: dict[str, Content]) -> BundleSpec:
    return dataclasses.replace(SPEC, layers={**SPEC.layers, kind: files})


def test_two_folders_two_days_and_two_users_give_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "elsewhere" / "m"
    source.parent.mkdir()
    source.write_bytes(MODEL)
    source.chmod(0o600)
    os.utime(source, (1, 1))
    reordered = {kind: dict(reversed([*SPEC.layers[kind].items()])) for kind in reversed([*SPEC.layers])}
    reordered["model"]["model/model.bin"] = Content(source)
    first = write_bundle(SPEC, tmp_path / "a")
    second = write_bundle(dataclasses.replace(SPEC, layers=reordered), tmp_path / "deep" / "er" / "b")
    assert first.digest == second.digest
    assert contents(tmp_path / "a") == contents(tmp_path / "deep" / "er" / "b")


def test_the_digest_is_the_same_in_another_process(tmp_path: Path) -> None:
    """Hash seeds, umask and time zone are the process's own: none may show."""
    script = (
        "from pathlib import Path; from tests.bundles import SPEC;"
        "from edgepack.package.bundle import write_bundle;"
        f"print(write_bundle(SPEC, Path({str(tmp_path / 'b')!r})).digest)"
    )
    env = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "SOURCE_DATE_EPOCH": "5"}
    root = Path(__file__).parents[2]
    out = subprocess.run(
        [sys.executable, "-c", script], env=env, cwd=root, check=True, capture_output=True, umask=0o077
    )
    assert out.stdout.decode().strip() == write_bundle(SPEC, tmp_path / "a").digest


def test_layers_come_in_the_fixed_order_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    layers = {kind: {f"{kind}/x": Content(kind.encode())} for kind in reversed(KINDS)}
    bundle = write_bundle(dataclasses.replace(SPEC, layers={**layers, "libraries": {}}), tmp_path / "b")
    assert [layer.kind for layer in bundle.layers] == [kind for kind in KINDS if kind != "libraries"]


def test_a_changed_program_moves_no_model_bytes(tmp_path: Path) -> None:
    dest = tmp_path / "b"
    old = write_bundle(SPEC, dest)
    before = inodes(dest)
    new = write_bundle(with_layer("program", {"bin/digits": Content(b"another program", 0o755)}), dest)
    after = inodes(dest)
    kept = {layer.kind for layer in new.layers if layer in old.layers}
    assert kept == {"model", "golden", "config"}
    for kind in kept:
        name = layer_file(new, kind).name
        assert after[name] == before[name]
    assert new.digest != old.digest
    assert len(after) == len(new.layers) + 2  # nothing of the old one is left


def test_a_damaged_blob_is_not_reused(tmp_path: Path) -> None:
    bundle = write_bundle(SPEC, tmp_path / "b")
    flip(layer_file(bundle, "model"), 600)
    write_bundle(SPEC, tmp_path / "b")
    open_bundle(tmp_path / "b", verify=True)


def test_what_a_killed_build_left_is_cleared_away(tmp_path: Path) -> None:
    write_bundle(SPEC, tmp_path / "b")
    (tmp_path / "b" / "blobs" / "sha256" / ".half.12ab").write_bytes(b"half")
    (tmp_path / "b" / "blobs" / "sha256" / ("0" * 64)).write_bytes(b"old")
    bundle = write_bundle(SPEC, tmp_path / "b")
    assert len(inodes(tmp_path / "b")) == len(bundle.layers) + 2


@pytest.mark.parametrize("files_written", range(8))
@pytest.mark.parametrize("old", [True, False])
def test_a_build_that_stops_anywhere_leaves_the_old_bundle_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files_written: int, old: bool
) -> None:
    dest = tmp_path / "b"
    before = write_bundle(with_layer("model", {"model/old": Content(b"old")}), dest) if old else None
    write, count = blobs.write, iter(range(files_written))

    def stops(path: Path, parts: Iterator[bytes]) -> None:
        if next(count, None) is None:
            raise KeyboardInterrupt
        write(path, parts)

    monkeypatch.setattr(blobs, "write", stops)
    try:
        after = write_bundle(SPEC, dest)
    except KeyboardInterrupt:
        after = before
    if after is None:
        assert not dest.exists()
    else:
        assert open_bundle(dest, verify=True) == after
        assert len(inodes(dest)) == len(after.layers) + 2


@pytest.mark.parametrize("old", [True, False])
def test_ctrl_c_just_after_the_switch_leaves_the_new_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    dest = tmp_path / "b"
    if old:
        write_bundle(with_layer("model", {"model/old": Content(b"old")}), dest)
    write = blobs.write

    def stops_late(path: Path, parts: Iterator[bytes]) -> None:
        write(path, parts)
        if path.name == "index.json":
            raise KeyboardInterrupt

    monkeypatch.setattr(blobs, "write", stops_late)
    with pytest.raises(KeyboardInterrupt):
        write_bundle(SPEC, dest)
    assert open_bundle(dest, verify=True).file("model/model.bin").size == len(MODEL)


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the same OSError, from the same write."""
    script = (
        "import resource, signal; from pathlib import Path; from tests.bundles import SPEC;"
        "from edgepack.package.bundle import write_bundle; from edgepack.package.errors import CannotWrite\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        f"dest = Path({str(tmp_path / 'b')!r})\n"
        "try: write_bundle(SPEC, dest)\n"
        "except CannotWrite as e: print(e.exit_code, e.what, '|', e.why, '|', dest.exists())"
    )
    out = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True, capture_output=True
    )
    said = out.stdout.decode()
    assert said.startswith(f"{Exit.TOOL} the bundle cannot be written to")
    assert "File too large" in said
    assert said.endswith("False\n")


def test_a_file_where_the_folder_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")
    with pytest.raises(CannotWrite, match="cannot be written"):
        write_bundle(SPEC, tmp_path / "b")
    assert (tmp_path / "b").read_text() == "mine"


def test_blobs_follow_the_umask_and_are_not_executable(tmp_path: Path) -> None:
    write_bundle(SPEC, tmp_path / "b")
    modes = {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "b").rglob("*") if p.is_file()}
    mask = os.umask(0)
    os.umask(mask)
    assert modes == {0o666 & ~mask}


REFUSED: dict[str, tuple[BundleSpec, str]] = {
    "arch": (dataclasses.replace(SPEC, arch="z80"), "z80 is not an architecture"),
    "name": (dataclasses.replace(SPEC, name="My App"), "name 'My App'"),
    "layer": (with_layer("kernel", {"vmlinuz": Content(b"")}), "no layers but program"),
    "mode": (with_layer("program", {"bin/x": Content(b"", 0o4755)}), "neither 644 nor 755"),
    "path": (with_layer("golden", {"golden/../x": Content(b"")}), "not a plain relative path"),
    "tensor with a space": (with_layer("golden", {"golden/a b.npy": Content(b"")}), "plain relative path"),
    "long path": (with_layer("golden", {"golden/" + "x" * 200: Content(b"")}), "too long"),
    "same path in two layers": (with_layer("golden", {"bin/digits": Content(b"")}), "there twice"),
    "folder and file": (with_layer("golden", {"bin": Content(b"")}), "both a file and the folder"),
    "release.json given": (with_layer("config", {"release.json": Content(b"{}")}), "made by the bundle"),
    "release with NaN": (dataclasses.replace(SPEC, release={"x": float("nan")}), "not JSON compliant"),
    "release with a path": (dataclasses.replace(SPEC, release={"x": Path("/")}), "not JSON serializable"),
    "too many": (with_layer("golden", {f"g/{n}": Content(b"") for n in range(20_000)}), "files, and 20000"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_reader_would_refuse_is_not_written(tmp_path: Path, case: str) -> None:
    spec, expected = REFUSED[case]
    write_bundle(SPEC, tmp_path / "b")
    before = contents(tmp_path / "b")
    with pytest.raises(PackageError) as caught:
        write_bundle(spec, tmp_path / "b")
    assert expected in f"{caught.value.what}; {caught.value.why}"
    assert caught.value.exit_code == Exit.INPUT
    assert contents(tmp_path / "b") == before


def test_a_release_deeper_than_readers_go_is_not_written(tmp_path: Path) -> None:
    deep: object = 1
    for _ in range(40):
        deep = {"a": deep}
    with pytest.raises(BundleError):
        write_bundle(dataclasses.replace(SPEC, release={"x": deep}), tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("source", ["missing", "."])
def test_a_source_that_cannot_be_read_is_named(tmp_path: Path, source: str) -> None:
    spec = with_layer("model", {"model/model.bin": Content(tmp_path / source)})
    with pytest.raises(PackageError, match="cannot be read"):
        write_bundle(spec, tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_a_source_that_changes_meanwhile_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "m"
    source.write_bytes(b"a" * 100)
    write, writes = blobs.write, iter(["the program's layer", "the model's"])

    def after_a_change(path: Path, parts: Iterator[bytes]) -> None:
        if next(writes) == "the model's":
            source.write_bytes(b"b" * 100)
        write(path, parts)

    monkeypatch.setattr(blobs, "write", after_a_change)
    with pytest.raises(PackageError, match="changed while it was being packed"):
        write_bundle(with_layer("model", {"model/model.bin": Content(source)}), tmp_path / "b")
    assert not (tmp_path / "b").exists()


# Properties, for trees that nobody thought of.

_segment = st.from_regex(r"[A-Za-z0-9_+=,@%~:][A-Za-z0-9._+=,@%~:-]{0,11}", fullmatch=True)
_paths = st.lists(_segment, min_size=1, max_size=4).map("/".join)
_content = st.builds(Content, st.binary(max_size=2000), st.sampled_from([0o644, 0o755]))


@st.composite
def trees(draw: st.DrawFn) -> BundleSpec:
    layers: dict[str, dict[str, Content]] = {}
    folders: set[str] = set()
    paths: set[str] = {"release.json"}
    for path in draw(st.lists(_paths, min_size=1, max_size=8, unique=True)):
        above = {str(p) for p in Path(path).parents}
        if path in folders or above & paths or path in paths:
            continue
        paths.add(path)
        folders |= above
        layers.setdefault(draw(st.sampled_from(KINDS)), {})[path] = draw(_content)
    release = draw(
        st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=9), max_size=3)
    )
    arch = draw(st.sampled_from([*oci.PLATFORMS]))
    return BundleSpec(draw(_segment.filter(_is_word)), "1", "t", arch, "ncnn", layers, release)


def _is_word(text: str) -> bool:
    return (
        text.replace("-", "a").replace(".", "a").replace("_", "a").replace("+", "a").isalnum()
        and text[0].isalnum()
    )


@settings(max_examples=60, deadline=None)
@given(spec=trees())
def test_what_is_written_is_what_is_read(spec: BundleSpec) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        written = write_bundle(spec, Path(temporary) / "b")
        bundle = open_bundle(Path(temporary) / "b", verify=True)
        assert bundle == written
        assert {k: v for k, v in bundle.release.items() if k in spec.release} == dict(spec.release)
        expected = {path: (kind, c) for kind, files in spec.layers.items() for path, c in files.items()}
        assert {f.path for f in bundle.files} == {*expected, "release.json"}
        for file in bundle.files:
            if file.path != "release.json":
                kind, content = expected[file.path]
                assert (file.layer, file.mode) == (kind, content.mode)
                with bundle.open(file) as stream:
                    assert stream.read() == content.source


@settings(max_examples=200, deadline=None)
@given(data=st.data(), bits=st.integers(1, 255))
def test_any_changed_byte_is_found(built: Path, data: st.DataObject, bits: int) -> None:
    files = sorted(p for p in built.rglob("*") if p.is_file())
    path = data.draw(st.sampled_from(files))
    at = data.draw(st.integers(0, path.stat().st_size - 1))
    flip(path, at, bits)
    try:
        with pytest.raises(BundleError):
            open_bundle(built, verify=True)
    finally:
        flip(path, at, bits)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("built") / "b"
    write_bundle(SPEC, folder)
    yield folder
    open_bundle(folder, verify=True)
    shutil.rmtree(folder)
