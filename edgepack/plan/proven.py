"""How far each part of what a project asks for was seen to work, in the words used everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgepack.catalog.vendor_runtimes import vendor_of
from edgepack.catalog.words import BY_CONTRACT
from edgepack.manifest.picture_sinks import Encoding, ScreenSink
from edgepack.manifest.project import Manifest
from edgepack.manifest.sources import STREAMS, V4l2Source
from edgepack.plan.step import Choice

# The pages have where: docs/how-to/cameras.md, docs/how-to/sources-and-sinks.md, docs/how-to/blocks.md.
_CAMERAS = {
    "yuyv": "verified on emulator or simulator (QEMU's PC with Debian's kernel 6.1 and its own test camera, "
    "`vivid`)"
}
_ENCODERS = frozenset({"libx264", "mpeg4"})  # ffmpeg's own, in software
_PYTHON = frozenset({"x86_64"})


def proven(manifest: Manifest, choice: Choice, *, program: bool) -> Mapping[str, str]:
    """A part's name → the words; parts that are the same wherever they run are the target's.

    program: whether one is made around the model; else the model's conversion is all there is.
    """
    found = {"target": choice.target.verification()}
    simulator = choice.recipe.about.simulator
    if simulator is None or simulator.kind == "device":
        found["conversion"] = BY_CONTRACT
    return {**found, **dict(_of_program(manifest, choice))} if program else found


def _of_program(manifest: Manifest, choice: Choice) -> Iterator[tuple[str, str]]:
    vendor, source = vendor_of(choice.runtime, choice.target.chip), manifest.source
    if vendor:
        yield f"program with {vendor.name}", vendor.proof
    if manifest.python and choice.target.known_arch not in _PYTHON:
        yield f"Python on {choice.target.known_arch}", BY_CONTRACT
    if manifest.form != "app":
        return
    if isinstance(source, STREAMS) and (decoder := source.decoders.get(choice.target.id)):
        yield f"decoder {decoder}", BY_CONTRACT
    if isinstance(source, V4l2Source):
        yield f"camera, {source.format}", _CAMERAS.get(source.format, BY_CONTRACT)
    for sink in manifest.sinks:
        if isinstance(sink, ScreenSink):
            yield "sink screen", BY_CONTRACT
        elif isinstance(sink, Encoding) and sink.codec not in _ENCODERS:
            yield f"encoder {sink.codec}", BY_CONTRACT
