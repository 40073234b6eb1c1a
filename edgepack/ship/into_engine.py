"""An image into the engine of a box, docker or podman, with only the layers that this one lacks.

An engine knows a layer by all that lie below it, and does not look for the file of one that it has: the
`load` of docker 20.10 and of podman 4.3 takes an archive without those (tests/lab/test_image_to_node.py).
What is lacking goes into the box's store as a release's files do: named by its sha256, compared with it
there, and kept where the link is cut in the middle. The archive is put together on the box.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgepack.box.errors import BoxError, PreflightError
from edgepack.box.facts import Facts, probe
from edgepack.box.session import Box
from edgepack.bundle import Bundle
from edgepack.ship import engine as engines
from edgepack.ship import preflight, trust
from edgepack.ship.engine import Engine, Layer
from edgepack.ship.lease import held
from edgepack.ship.preflight import Refusal
from edgepack.ship.report import Clock

_CHUNK = 128 << 10
_BLOCK = 512
_LEVEL = 3  # as for files: edgepack/ship/transfer.py
_SILENCE_S = 120.0
_MISSED = re.compile(
    r"no such file|not found|missing", re.IGNORECASE
)  # docker, containerd, podman of a layer


@dataclass(frozen=True)
class Cargo:
    """An image to bring: ``name`` with its tag; ``texts`` the small files of its archive, by their names.

    blobs: where each blob lies here, by its digest. config, manifest: their digests. release: what it was
    made of.
    """

    name: str
    texts: Mapping[str, bytes]
    config: str
    manifest: str
    layers: tuple[Layer, ...]
    blobs: Mapping[str, Path]
    release: Bundle

    @property
    def ids(self) -> tuple[str, str]:
        """By which an engine may call it."""
        return self.config, self.manifest

    def size(self, digests: Sequence[str]) -> int:
        return sum(self.blobs[digest].stat().st_size for digest in digests)


@dataclass(frozen=True)
class Plan:
    """What bringing an image would do. Sizes in bytes, before compression."""

    node: str
    name: str
    engine: str
    layers_to_send: tuple[str, ...]  # of which kind each is
    layers_total: int
    bytes_to_send: int
    bytes_total: int
    there: bool
    refusals: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass(frozen=True)
class Brought:
    """What was done. ``bytes_sent``: as they went over the link."""

    node: str
    name: str
    engine: str
    outcome: str  # "loaded" or "nothing to do"
    layers_sent: tuple[str, ...]
    layers_total: int
    bytes_sent: int
    bytes_total: int
    seconds: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


def plan(box: Box, cargo: Cargo, more: Sequence[Refusal] = (), facts: Facts | None = None) -> Plan:
    """What ``bring`` would do now. Changes nothing. more: why not, as was found otherwise."""
    engine, reasons = engines.ask(box, cargo.name)
    facts = facts or survey(box, cargo)
    lacking = _lacking(cargo, engine, facts)
    refused = (*more, *reasons, *_refusals(cargo, facts, lacking))
    return Plan(
        node=box.endpoint.node,
        name=cargo.name,
        engine=f"{engine.kind} {engine.version}".strip(),
        layers_to_send=_kinds(cargo, lacking),
        layers_total=len(cargo.layers),
        bytes_to_send=cargo.size(lacking),
        bytes_total=cargo.size(list(cargo.blobs)),
        there=engine.has(cargo.ids),
        refusals=tuple(f"{one.what}: {one.fix}" for one in refused),
    )


def bring(box: Box, cargo: Cargo, facts: Facts, clock: Clock, more: Sequence[Refusal] = ()) -> Brought:
    """Have the engine know this image by its name.

    Raises PreflightError, LockedError, UnreachableError, BoxError; after each, what ran there runs.
    """
    engine, reasons = engines.ask(box, cargo.name)
    lacking = _lacking(cargo, engine, facts)
    _check(box, (*more, *reasons, *_refusals(cargo, facts, lacking)))
    what = f"{engine.kind} {engine.version}"
    total = cargo.size(list(cargo.blobs))
    if engine.has(cargo.ids):
        return Brought(
            box.endpoint.node,
            cargo.name,
            what,
            "nothing to do",
            (),
            len(cargo.layers),
            0,
            total,
            clock.seconds,
        )
    with held(box, facts.lock) as lease:
        with clock.stage("send"):
            sent = _send(box, lease.token, cargo, lacking, facts, clock)
        with clock.stage("load"):
            failed = _load(box, cargo, engine, facts.root, engine.known(cargo.layers))
        if failed and engine.known(cargo.layers) and _MISSED.search(failed):
            # What it said it has is not there any more, or its store wants each blob: then all of it.
            there = survey(box, cargo)
            rest = [digest for digest in cargo.blobs if digest[7:] not in there.have]
            with clock.stage("send"):
                sent += _send(box, lease.token, cargo, rest, facts, clock)
            lacking = [*lacking, *rest]
            with clock.stage("load"):
                failed = _load(box, cargo, engine, facts.root, 0)
    if failed or not engines.ask(box, cargo.name)[0].has(cargo.ids):
        raise BoxError(
            f"{what} did not take the image {cargo.name}",
            "engine",
            where=box.endpoint.where,
            fix=f"look at {engine.kind} on the box and at the room where it keeps its images; what was sent "
            "stays there, and is not sent again",
            detail=failed,
        )
    kinds = _kinds(cargo, lacking)
    return Brought(
        box.endpoint.node, cargo.name, what, "loaded", kinds, len(cargo.layers), sent, total, clock.seconds
    )


def survey(box: Box, cargo: Cargo) -> Facts:
    """The box, and which of the blobs its store has from a run that was cut off."""
    return probe(box, cargo.release.name, [digest[7:] for digest in cargo.blobs])


def _lacking(cargo: Cargo, engine: Engine, facts: Facts) -> list[str]:
    """The digests of the blobs to send, the smallest first: what came whole need not come again."""
    if engine.has(cargo.ids):
        return []
    wanted = [
        cargo.manifest,
        cargo.config,
        *(one.digest for one in cargo.layers[engine.known(cargo.layers) :]),
    ]
    lacking = {digest for digest in wanted if digest[7:] not in facts.have}
    return sorted(lacking, key=lambda digest: (cargo.blobs[digest].stat().st_size, digest))


def _kinds(cargo: Cargo, digests: Sequence[str]) -> tuple[str, ...]:
    return tuple(one.kind for one in cargo.layers if one.digest in digests)


def _refusals(cargo: Cargo, facts: Facts, lacking: Sequence[str]) -> Iterator[Refusal]:
    """Why this box cannot take this image: of a bundle's reasons those that hold for a container too."""
    yield from preflight.for_image(cargo.release, facts)
    needed = cargo.size(lacking) + preflight.MARGIN
    if facts.disk_free is not None and facts.disk_free < needed:
        yield Refusal(
            f"{needed >> 20} MiB are needed in {facts.folder}, {facts.disk_free >> 20} MiB are free",
            "free some space on the box, or set another `root:` for the node in fleet.yaml",
        )
    choice = trust.choose(cargo.release, facts)
    if choice.why:
        yield Refusal(choice.why, choice.fix)


def _check(box: Box, reasons: Sequence[Refusal]) -> None:
    if not reasons:
        return
    raise PreflightError(
        reasons[0].what,
        where=box.endpoint.where,
        why="nothing was changed on the box",
        fix=reasons[0].fix,
        detail="\n".join(f"{one.what}\n  → {one.fix}" for one in reasons[1:]),
    )


def _send(box: Box, token: str, cargo: Cargo, digests: Sequence[str], facts: Facts, clock: Clock) -> int:
    """Blobs into the box's store; bytes that went over the link. Raises BoxError, UnreachableError."""
    if not digests:
        return 0
    total, sent = cargo.size(digests), 0
    gzip = "gzip" in facts.tools

    def stream() -> Iterator[bytes]:
        nonlocal sent
        for data in _packed(_tar(cargo, digests, clock, total), gzip):
            sent += len(data)
            yield data

    box.call("receive", token, "gzip" if gzip else "plain", stdin=stream(), silence_s=_SILENCE_S)
    return sent


def _tar(cargo: Cargo, digests: Sequence[str], clock: Clock, total: int) -> Iterator[bytes]:
    done = 0
    for digest in digests:
        info = tarfile.TarInfo(digest[7:])
        info.mode, info.size = 0o644, cargo.blobs[digest].stat().st_size
        yield info.tobuf(tarfile.GNU_FORMAT if info.size >= 8 << 30 else tarfile.USTAR_FORMAT)
        with cargo.blobs[digest].open("rb") as stream:
            while data := stream.read(_CHUNK):
                yield data
                done += len(data)
                clock.progress("send", done, total)
        yield b"\0" * (-info.size % _BLOCK)
    yield b"\0" * (2 * _BLOCK)


def _packed(chunks: Iterator[bytes], gzip: bool) -> Iterator[bytes]:
    if not gzip:
        yield from chunks
        return
    squeeze = zlib.compressobj(_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for data in chunks:
        if out := squeeze.compress(data):
            yield out
    yield squeeze.flush()


def _load(box: Box, cargo: Cargo, engine: Engine, root: str, known: int) -> str:
    """Load it without the known layers; "" or what the engine said."""
    left_out = {one.digest for one in cargo.layers[:known]} - {one.digest for one in cargo.layers[known:]}
    wanted = [digest[7:] for digest in sorted(set(cargo.blobs) - left_out)]
    return engines.load(box, engine, root, cargo.texts, wanted)
