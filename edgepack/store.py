"""Content-addressed results: what a step made, found again by the digest of everything it took in.

``blobs/<sha256>`` hold bytes, ``results/<key>.json`` say which blobs a step made and its report. Both
are written beside and renamed, so a reader never sees half of one; deleting the folder is always safe.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Output:
    """One file that a step made."""

    sha256: str
    size: int
    executable: bool = False


@dataclass(frozen=True)
class Result:
    """What a step made: its files by name, and what it had to say (plain JSON)."""

    key: str
    outputs: Mapping[str, Output]
    report: Mapping[str, Any]


class Store:
    """A folder of results. Safe for several builds at once: names are digests, writes are renames."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def keys(self) -> frozenset[str]:
        """The keys of all results here: the index that planning looks at."""
        folder = self.root / "results"
        if not folder.is_dir():
            return frozenset()
        return frozenset(name[:-5] for name in os.listdir(folder) if name.endswith(".json"))

    def get(self, key: str) -> Result | None:
        """The result of that key, if it and all of its files are here."""
        try:
            raw = json.loads((self.root / "results" / f"{key}.json").read_bytes())
            outputs = {name: Output(**fields) for name, fields in raw["outputs"].items()}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        for output in outputs.values():
            with contextlib.suppress(OSError):
                if self.blob(output.sha256).stat().st_size == output.size:
                    continue
            return None
        return Result(key, outputs, raw["report"])

    def put(self, key: str, files: Mapping[str, Path], report: Mapping[str, Any]) -> Result:
        """Take in a step's files (copied) and its report under its key."""
        outputs = {name: self._add(path) for name, path in sorted(files.items())}
        body = {"outputs": {name: vars(output) for name, output in outputs.items()}, "report": dict(report)}
        with self._writing(self.root / "results" / f"{key}.json") as beside:
            beside.write_text(json.dumps(body, indent=1, sort_keys=True) + "\n")
        return Result(key, outputs, report)

    def blob(self, sha256: str) -> Path:
        """Where the bytes of that digest lie, or would lie."""
        return self.root / "blobs" / sha256[:2] / sha256

    def damaged(self, result: Result) -> str | None:
        """The first of a result's files whose bytes are not what they were, or None."""
        for name, output in result.outputs.items():
            try:
                if digest_file(self.blob(output.sha256)) != output.sha256:
                    return name
            except OSError:
                return name
        return None

    def forget(self, key: str) -> None:
        """Remove a result, with those of its files that are damaged, so that it is made anew."""
        result = self.get(key)
        for output in result.outputs.values() if result else ():
            place = self.blob(output.sha256)
            with contextlib.suppress(OSError):
                if digest_file(place) != output.sha256:
                    place.unlink()
        (self.root / "results" / f"{key}.json").unlink(missing_ok=True)

    def _add(self, path: Path) -> Output:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        place = self.blob(digest)
        if not place.exists():
            with self._writing(place) as beside:
                shutil.copyfile(path, beside)
                beside.chmod(0o555 if os.access(path, os.X_OK) else 0o444)
        return Output(digest, path.stat().st_size, os.access(path, os.X_OK))

    @contextlib.contextmanager
    def _writing(self, place: Path) -> Iterator[Path]:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=place.parent, prefix=".new-")
        os.close(handle)
        beside = Path(name)
        try:
            yield beside
            beside.replace(place)
        finally:
            beside.unlink(missing_ok=True)


def digest_of(value: Any) -> str:
    """sha256 of a value's canonical JSON: keys sorted, no spaces. For step keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_file(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_tree(folder: Path) -> str:
    """sha256 over the names and bytes of all files below, in sorted order; caches left out."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name = path.relative_to(folder).as_posix()
            digest.update(f"{name}\0{digest_file(path)}\n".encode())
    return digest.hexdigest()
