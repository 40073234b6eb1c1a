"""Which C libraries a project's program is linked with, and the steps that build them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from edgepack.catalog.architectures import architecture
from edgepack.catalog.libraries import LibrarySpec, with_needs
from edgepack.catalog.targets import Target
from edgepack.catalog.toolchains import OWN_CPP, OWN_GLIBC, label
from edgepack.manifest.project import Manifest
from edgepack.manifest.sources import TensorsSource
from edgepack.plan.step import Choice, Step
from edgepack.plan.toolchain import known

SLOT = "library"

_SPOKEN = ("nghttp2", "nlohmann-json", "zlib")  # by the form `service`
_DECODERS = {"jpeg": "libjpeg-turbo", "png": "libspng"}


def needed(manifest: Manifest) -> tuple[str, ...]:
    """The libraries' names in a linker's order: each before what it needs itself."""
    spoken: tuple[str, ...] = _SPOKEN if manifest.form == "service" else ()
    if manifest.form == "app" and isinstance(manifest.source, TensorsSource):
        spoken = ("nlohmann-json",)
    checks = ("libsodium",) if manifest.licence or manifest.encryption else ()
    return with_needs((*(_DECODERS[name] for name in decoded(manifest)), *spoken, *checks))


def decoded(manifest: Manifest) -> tuple[str, ...]:
    """The formats of images that a library decodes in the program."""
    if manifest.form == "sdk":  # a partner's program reads its own pictures
        return ()
    return tuple(name for name in _DECODERS if name in manifest.source.formats)


def spec_of(name: str, choice: Choice, glibc: str) -> LibrarySpec:
    """The build of a library for a target's program. glibc: what that one links to, or empty."""
    return LibrarySpec(name, choice.target.arch, choice.target.cpu, choice.toolchain, glibc)


def specs(manifest: Manifest, chosen: Iterable[Target], found: Mapping[str, str]) -> Iterator[LibrarySpec]:
    """Every build that a plan for these targets may want. found: ``Here.toolchains``."""
    names = needed(manifest)
    for target in chosen:
        for name in names if target.known_arch else ():  # else there is no program
            for toolchain in known(manifest, target, found):
                yield LibrarySpec(name, target.arch, target.cpu, toolchain)
                if toolchain != "zig":
                    for glibc in (OWN_GLIBC, OWN_CPP):
                        yield LibrarySpec(name, target.arch, target.cpu, toolchain, glibc)
            yield LibrarySpec(name, target.arch, target.cpu, "zig", architecture(target.arch).glibc)


def library_steps(
    keys: Mapping[LibrarySpec, str], manifest: Manifest, choice: Choice, glibc: str, results: frozenset[str]
) -> dict[str, Step]:
    """Slot → step of each library that the program of a target needs. keys: of each that may be wanted."""
    found = {}
    for name in needed(manifest):
        spec = spec_of(name, choice, glibc)
        cpu = f"+{spec.cpu}" if spec.cpu else ""
        linked = f":glibc-{glibc}" if glibc else ""
        step_id = f"{name}:{spec.arch}{cpu}:{label(spec.toolchain)}{linked}"
        inputs = {"source, options and toolchain": keys[spec]}
        cached = keys[spec] in results
        why = "" if cached else "never done before"
        found[f"{SLOT}:{name}"] = Step(step_id, SLOT, keys[spec], inputs, (), cached, why)
    return found
