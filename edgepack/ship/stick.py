"""One file for a USB stick: a release, and a script that installs it on the box with the steps of a deploy.

The file is a POSIX script, then a small tar, then the cargo: parcels, or whole files. It asks no network.
"""

from __future__ import annotations

import hashlib
import io
import shlex
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from edgepack.box import script
from edgepack.box.endpoint import Endpoint
from edgepack.bundle import Bundle, BundleFile, listing
from edgepack.ship import contained, kept, parcels, preflight, proof, transfer
from edgepack.ship.activate import Health
from edgepack.ship.chunks import nobody
from edgepack.ship.contained import Contained
from edgepack.ship.errors import DeployError
from edgepack.ship.made import OnBox
from edgepack.ship.model_key import Asked
from edgepack.ship.report import Progress, quiet
from edgepack.store import digest_file

_OFFSET = 1_000_000_000  # added to numbers of bytes, so that each has as many digits, whatever it is
_CHUNK = 1 << 20
_MEANT = "# shellcheck disable=SC2015  # `a && b || stop` is meant: stop when either did\n"


@dataclass(frozen=True)
class Stick:
    """What was written. ``since``: the release that the box must have, or ""."""

    file: Path
    size: int
    kind: str  # parcels, files
    since: str


@dataclass(frozen=True)
class _Cargo:
    kind: str
    since: str
    bases: Sequence[str]
    helper: Path | None
    parts: Sequence[parcels.Parcel]
    whole: Sequence[BundleFile]
    model_key: str = ""

    def chunks(self, bundle: Bundle) -> Iterator[bytes]:
        if self.kind == "files":
            yield from (data for data, _ in transfer.tar(bundle, self.whole))
            return
        for parcel in self.parts:
            with parcel.place.open("rb") as stream:
                while data := stream.read(_CHUNK):
                    yield data
        yield parcels.END


def write(
    endpoint: Endpoint,
    bundle: Bundle,
    to: Path,
    since: str | None = None,
    tools: parcels.Tools | None = None,
    progress: Progress = quiet,
    way: Contained | None = None,
    model_key: str = "",
) -> Stick:
    """Write the file. ``since``: a release that was shipped from this host, which the box still has.

    ``way``: how its container is made, for a node with `runs: compose`. ``model_key``: what opens an
    encrypted model on the box, wrapped; without it the box must have it.
    Raises DeployError where that is not known here, and what the encoder raises.
    """
    cargo = replace(_cargo(bundle, since, tools, progress), model_key=model_key)
    small = _small(bundle, cargo, way)
    to.parent.mkdir(parents=True, exist_ok=True)
    aside = to.with_name(f".{to.name}.new")
    digest, size = hashlib.sha256(small), len(small)
    try:
        with aside.open("wb") as out:
            head = _head(endpoint, bundle, cargo, (len(small), "0" * 64), way)
            out.write(head)
            out.write(small)
            for data in cargo.chunks(bundle):
                digest.update(data)
                size += len(data)
                out.write(data)
            out.seek(0)
            out.write(_head(endpoint, bundle, cargo, (len(small), digest.hexdigest()), way))
        aside.chmod(0o755)
        aside.rename(to)
    finally:
        aside.unlink(missing_ok=True)
    return Stick(to, len(head) + size, cargo.kind, cargo.since)


def _cargo(bundle: Bundle, since: str | None, tools: parcels.Tools | None, progress: Progress) -> _Cargo:
    found: Mapping[str, str] = {}
    name = ""
    if since is not None:
        name, found = _release(bundle.name, since)
    there = set(found.values())
    files = tuple({file.sha256: file for file in bundle.files if file.sha256 not in there}.values())
    unchanged = sorted({file.sha256 for file in bundle.files} & there)
    if tools is None:
        return _Cargo("files", name, unchanged, None, (), files)
    from_ = parcels.bases_of(files, found, nobody)
    made = parcels.prepare(bundle, files, from_, tools.encoder(), progress)
    bases = sorted({*unchanged, *(parcel.base for parcel in made if parcel.base)})
    return _Cargo("parcels", name, bases, tools.helper(), made, ())


def _release(app: str, since: str) -> tuple[str, dict[str, str]]:
    """A release that was shipped from here, by its first digits, and its files: path → sha256."""
    wanted = since.removeprefix("sha256:")
    known = [name for name in kept.releases(app) if name.startswith(wanted)] if wanted else []
    if len(known) != 1:
        names = ", ".join(name[:12] for name in kept.releases(app)) or "none"
        raise DeployError(
            f"--since {since}: it fits {len(known)} releases of {app} that were shipped from this host",
            why=f"known here: {names}",
            fix="name one of those, or leave --since out: then the file holds all of it",
        )
    return known[0], kept.files_of(app, known[0])


def _small(bundle: Bundle, cargo: _Cargo, way: Contained | None) -> bytes:
    members: dict[str, bytes] = {
        script.name(): script.text(),
        "list": listing(bundle.files),
        "digests": "".join(
            f"{sha}\n" for sha in sorted({f.sha256 for f in bundle.files} | {*cargo.bases})
        ).encode(),
        "bases": "".join(f"{sha}\n" for sha in cargo.bases).encode(),
        "compose.yaml": way.file.encode() if way else b"",
    }
    if cargo.model_key:
        members["model-key"] = f"{cargo.model_key}\n".encode()
    if cargo.helper is not None:
        members["helper"] = cargo.helper.read_bytes()
    for number, signature in enumerate(bundle.signatures):
        members[f"signature-{number}"] = signature.value.encode() + b"\n" + signature.text
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _head(
    endpoint: Endpoint, bundle: Bundle, cargo: _Cargo, sealed: tuple[int, str], way: Contained | None
) -> bytes:
    """The script, with what it has to know as quoted words; as long whatever the digest is.

    ``sealed``: bytes of the small tar, sha256 of all that follows the script.
    """
    small, digest = sealed
    kind, _, stamp = contained.way(endpoint, way).partition(" ")
    health, vectors, on_box = Health.of(bundle.release), proof.vectors(bundle), OnBox.of(bundle.release)
    needed = 2 * sum(file.size for file in bundle.files) + preflight.MARGIN
    values = {
        "APP": bundle.name,
        "VERSION": bundle.version,
        "RELEASE": bundle.digest.removeprefix("sha256:"),
        "ARCH": bundle.arch,
        # In a container the libc is the image's: the proof in it tells.
        "LIBC": "static" if way else str(bundle.release.get("libc") or "static"),
        "WAY": kind,
        "STAMP": stamp,
        "MEMORY": endpoint.memory_mb,
        "CPU": endpoint.cpu_percent,
        "FOLDER": endpoint.root,
        "AT_BOOT": "yes" if endpoint.at_boot else "no",
        "SCRIPT": script.name(),
        "KIND": cargo.kind,
        "HELPER": digest_file(cargo.helper) if cargo.helper else "",
        "SINCE": cargo.since[:12],
        "SAMPLES": vectors.names.samples if vectors else 0,
        "TIMEOUT": health.timeout,
        "MIN_FPS": health.min_fps,
        "BEFORE_S": health.hooks.before,
        "AFTER_S": health.hooks.after,
        "HEALTHY_S": health.hooks.healthy,
        "MAKES": " ".join(on_box.files) if on_box else "",
        "MAKE_S": on_box.seconds if on_box else 0,
        "NEEDED_KB": needed // 1024,
        "FILES": 2 * len(bundle.files) + 64,
        "LICENSED": "yes" if bundle.release.get("licence") else "no",
        "MODEL_KEY": asked.key if (asked := Asked.of(bundle.release)) else "",
        "SHA256": digest,
        "SMALL_BYTES": small,
    }
    body = (resources.files("edgepack.ship") / "sh/stick.sh").read_text()
    lines = "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())

    def text(at: int) -> bytes:
        places = f"SMALL={_OFFSET + at}\nCARGO={_OFFSET + at + small}\n"
        return f"#!/bin/sh\n{_MEANT}{lines}{places}{body}".encode()

    return text(len(text(0)))
