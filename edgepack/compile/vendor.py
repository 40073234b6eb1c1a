"""A vendor's headers, by the path that the user gave: what a program for its run-time is compiled with."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgepack.catalog.architectures import ARCHITECTURES
from edgepack.catalog.vendor_runtimes import EVERY, Vendor
from edgepack.compile import elf
from edgepack.errors import InputError
from edgepack.manifest.project import Project
from edgepack.tools import cache

MARKER = "vendor.json"
_LIBRARIES = (
    "lib64",
    "lib",
)  # beside the headers' folder, or in a folder named after an architecture in them
_TEXTS = ("LICENSE.txt", "LICENSE", "LICENCE", "COPYING")  # beside the headers' folder


@dataclass(frozen=True)
class Headers:
    """Where a vendor's headers are. folder, beside: what `#include <…>` looks in; said: who named it.

    libraries: what a program is linked to, for each architecture that there is.
    """

    folder: Path
    said: str
    beside: Path | None = None
    libraries: tuple[Path, ...] = ()

    def digest(self, vendor: Vendor) -> str:
        """Of the headers that a caller includes and of those beside them, by content."""
        whole = hashlib.sha256(f"{self.folder} {self.beside}".encode())
        beside = {(self.folder / header).parent for header in vendor.headers}
        for file in sorted(file for place in beside for file in place.glob("*.h*")):
            whole.update(file.name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        for file in self.libraries:
            about = file.stat()
            whole.update(f"{file} {about.st_size} {about.st_mtime_ns}".encode())
        return whole.hexdigest()


def find(vendor: Vendor, keys: Mapping[str, str], project: Path, arch: str | None = None) -> Headers:
    """keys: the manifest's `sdk:`. arch: of the libraries; None for all that there are.

    Raises InputError that says what is missing and what points to it.
    """
    folder, said = _folder(vendor, vendor.key, vendor.headers, vendor.places, (keys, project))
    if vendor.links:
        return Headers(folder, said, libraries=_libraries(vendor, folder, said, arch))
    if vendor.beside is None:
        return Headers(folder, said)
    second = vendor.beside
    if (folder / second.header).is_file():
        return Headers(folder, said)
    beside, _ = _folder(vendor, second.key, (second.header,), second.places, (keys, project))
    return Headers(folder, said, beside)


def _folder(
    vendor: Vendor,
    key: str,
    headers: Sequence[str],
    places: Sequence[str],
    named: tuple[Mapping[str, str], Path],
) -> tuple[Path, str]:
    """What `#include <…>` looks in, and who named it. named: the manifest's `sdk:`, the project's folder."""
    keys, project = named
    said, value = f"sdk.{key} in edgepack.yaml", keys.get(key)
    if not value:
        said = "EDGEPACK_SDK_" + key.upper().replace("-", "_")
        value = os.environ.get(said)
    if not value:
        raise _missing(vendor, f"`sdk.{key}` is not set")
    folder = project / Path(value).expanduser()
    if not folder.is_dir():
        raise _missing(vendor, f"{said} says {folder}, and that is not a folder")
    for place in places:
        if all((folder / place / header).is_file() for header in headers):
            # Links are left as they are: what lies beside the headers is looked for where they are named.
            return Path(os.path.abspath(folder / place)), said  # noqa: PTH100
    looked = " or ".join(f"{place or '.'}/" for place in places)
    absent = next(h for h in headers if not any((folder / p / h).is_file() for p in places))
    raise _missing(vendor, f"{said} says {folder}, and there is no {absent} in {looked} of it")


def _libraries(vendor: Vendor, headers: Path, said: str, arch: str | None) -> tuple[Path, ...]:
    """What is linked, beside the headers in ``lib64`` or ``lib``. Raises InputError."""
    folders = [headers.parent / name for name in _LIBRARIES]
    named = [folder / name for folder in folders for name in ([arch] if arch else ARCHITECTURES)]
    places = [*named, *folders]
    found = [place for place in places if all((place / name).is_file() for name in vendor.links)]
    if not found:
        looked = [*(folder / arch for folder in folders), *folders] if arch else folders
        absent = next(n for n in vendor.links if not any((place / n).is_file() for place in looked))
        raise _missing(vendor, f"{said}: there is no {absent} in {' or '.join(map(str, looked))}")
    chosen = found[:1] if arch else found
    return tuple((place / name).resolve() for place in chosen for name in vendor.links)


def here(project: Project) -> tuple[dict[str, str], dict[str, str]]:
    """Of all vendors' libraries: those whose headers are here with their digest, and what the others lack."""
    found, lacking = {}, {}
    for vendor in EVERY:
        try:
            found[vendor.id] = find(vendor, project.manifest.sdk, project.folder).digest(vendor)
        except InputError as error:
            lacking[vendor.id] = f"{error.what}: {error.why}; {error.fix}"
    return found, lacking


def place(vendor: Vendor, project: Project, dest: Path, arch: str | None = None) -> Headers:
    """``dest`` as a build has a runtime: ``include/<backend>`` is the vendor's folder. Raises InputError."""
    headers = find(vendor, project.manifest.sdk, project.folder, arch)
    with cache.locked(dest):
        if not (dest / MARKER).is_file():
            part = dest.with_name(f".{dest.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            for name in ("include", "lib", "licences", "link"):
                (part / name).mkdir(parents=True)
            for name, library in zip(vendor.links, headers.libraries, strict=False):
                (part / "link" / name).symlink_to(library)
            if vendor.brings:
                _bring(vendor, headers, part)
            (part / "include" / vendor.backend).symlink_to(headers.folder)
            if headers.beside is not None:
                (part / "include" / f"{vendor.backend}-beside").symlink_to(headers.beside)
            (part / MARKER).write_text(
                json.dumps({"runtime": vendor.id, "headers": str(headers.folder)}) + "\n"
            )
            part.rename(dest)
    return headers


def _bring(vendor: Vendor, headers: Headers, dest: Path) -> None:
    """Into the bundle: libraries, what of their folder they need, the licence. Raises InputError."""
    text = next((p for name in _TEXTS if (p := headers.folder.parent / name).is_file()), None)
    if text is None:
        raise InputError(
            f"no licence text of {vendor.name} here",
            why=f"its library goes into the bundle, and there is no {_TEXTS[0]} in {headers.folder.parent}",
            fix=f"copy {vendor.name}'s own there",
        )
    shutil.copyfile(text, dest / "licences" / f"{vendor.id}.txt")
    wanted = list(headers.libraries[: len(vendor.links)])
    while wanted:
        library = wanted.pop()
        copy = dest / "lib" / library.name
        if copy.exists():
            continue
        shutil.copyfile(library, copy)
        beside = (library.parent / name for name in elf.inspect(copy).needed)
        wanted += [path for path in beside if path.is_file()]


def _missing(vendor: Vendor, why: str) -> InputError:
    return InputError(f"no headers of {vendor.name} here", why=why, fix=vendor.way_to())
