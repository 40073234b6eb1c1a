"""A Dockerfile whose image has the files of edgepack's own, and the files that it copies.

The program alone is compiled by it, on the platform that builds, and must come out as edgepack's did; all
else is copied. Why it looks as it does: docs/design/image-plan.md.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from edgepack.bundle import Bundle
from edgepack.oci import PLATFORMS
from edgepack.package.image import Part, common, words
from edgepack.package.image_config import Runs, image_config
from edgepack.package.image_layers import DATA, ORDER, USER, account_files

BUILDER = "python:3.12-slim-bookworm"
FILES = "build"  # of that name nothing is taken for the project's own C++
LOCK = f"{FILES}/toolchain.txt"
ACCOUNTS = f"{FILES}/accounts"
IGNORED = f"# Made by edgepack: what the Dockerfile copies is made anew by each export.\n/{FILES}/\n"


@dataclass(frozen=True)
class Compiler:
    """How the program is compiled in the builder's image: paths there."""

    tools: str
    place: str
    cmake: str
    ninja: str
    strip: str
    link_words: str
    variables: Mapping[str, str]


@dataclass(frozen=True)
class Source:
    """One target: what lies below its program's ``Compiler.place``, beside its bundle."""

    part: Part
    project: Mapping[str, bytes | Path]


@dataclass(frozen=True)
class DockerfileSpec:
    """What a Dockerfile is made of. base: an image of others, by the name that a builder knows; else ""."""

    sources: Sequence[Source]
    compiler: Compiler
    runs: Runs
    builder: str = BUILDER
    base: str = ""

    @property
    def bundles(self) -> list[Bundle]:
        return [source.part.bundle for source in self.sources]


@dataclass(frozen=True)
class Put:
    """One file of the context."""

    open: Callable[[], BinaryIO]
    mode: int = 0o644

    @classmethod
    def of(cls, content: bytes | Path, mode: int = 0o644) -> Put:
        """Bytes, or the file that has them."""
        if isinstance(content, bytes):
            return cls(partial(io.BytesIO, content), mode)
        return cls(lambda: content.open("rb"), mode)


def folders(bundles: Sequence[Bundle]) -> dict[str, str]:
    """Target → its folder: the platform's name for those that an index has, as builders put it together."""
    plain = {bundle.target: bundle.arch for bundle in common(bundles).values()}
    return {
        bundle.target: _platform(plain[bundle.target]) if bundle.target in plain else bundle.target
        for bundle in bundles
    }


def platform(bundle: Bundle) -> str:
    """As ``--platform`` takes it, without the variant that builders leave out."""
    return platform_of(bundle.arch)


def platform_of(arch: str) -> str:
    """The same for an architecture."""
    return words(_told(arch))


def _platform(arch: str) -> str:
    found = _told(arch)
    return f"{found['architecture']}{found.get('variant', '')}"


def _told(arch: str) -> dict[str, str]:
    found = dict(PLATFORMS[arch])
    if found["architecture"] == "arm64":
        found.pop("variant", None)
    return found


def context(spec: DockerfileSpec, lock: Path) -> Iterator[tuple[str, Put | None]]:
    """Every file of the context; None for a folder that may have nothing in it."""
    yield LOCK, Put.of(lock)
    if not spec.base:
        for name, data in account_files().items():
            yield f"{ACCOUNTS}/{name}", Put.of(data)
    named, kinds = folders(spec.bundles), _kinds(spec)
    for source in spec.sources:
        bundle = source.part.bundle
        top = f"{FILES}/{named[bundle.target]}"
        for name, content in source.project.items():
            yield f"{top}/source/{name}", Put.of(content, 0o755 if _runs(name) else 0o644)
        yield f"{top}/source/program.sha256", Put.of(_sum(bundle, _root(spec)))
        for kind in kinds:
            yield f"{top}/{kind}", None
        for name, put in _base(source.part):
            yield f"{top}/base/{name}", put
        for file in bundle.files:
            if file.path != _program(bundle):
                yield f"{top}/{file.layer}/{file.path}", Put(partial(bundle.open, file), file.mode)


def _runs(name: str) -> bool:
    return name.startswith("toolchain/") and not name.endswith(".cmake")


def _sum(bundle: Bundle, root: str) -> bytes:
    return f"{bundle.file(_program(bundle)).sha256}  out{root}/{_program(bundle)}\n".encode()


def _program(bundle: Bundle) -> str:
    return f"bin/{bundle.name}"


def _kinds(spec: DockerfileSpec) -> list[str]:
    """What is copied from a target's folder, what seldom changes first; the same for all of them."""
    base = ["base"] if any(source.part.base.layers for source in spec.sources) and not spec.base else []
    held = {file.layer for bundle in spec.bundles for file in bundle.files if file.path != _program(bundle)}
    return [*base, *(kind for kind in ORDER if kind in held)]


def _base(part: Part) -> Iterator[tuple[str, Put]]:
    """The files of a base that edgepack made."""
    for layer in part.base.layers:
        if isinstance(layer.source, bytes):
            with tarfile.open(fileobj=io.BytesIO(layer.source)) as tar:
                for member in tar:
                    content = tar.extractfile(member) if member.isreg() else None
                    if content is not None:
                        yield member.name, Put.of(content.read(), member.mode)


def render(spec: DockerfileSpec) -> str:
    """The Dockerfile's text."""
    first = spec.bundles[0]
    lines = [
        f"# Made by edgepack from {first.name}'s edgepack.yaml, version {first.version}.",
        "#",
        "# Its image has the same files as that of `edgepack image`. The program is compiled on the platform",
        "# that builds, and where another one comes out than edgepack's the build ends; all else is copied.",
        "# What it copies is made by `edgepack export dockerfile`, anew each time.",
        "#",
        *(f"#   {line}" for line in _usage(spec)),
        "",
        "# Where the compiler runs: Python 3 with pip, which gets zig, CMake and Ninja by their digests.",
        f"ARG BUILDER={spec.builder}",
        "# BuildKit knows both, others are told. docker's legacy builder is for its own platform alone.",
        "ARG HERE=$BUILDPLATFORM",
        "ARG THERE=$TARGETPLATFORM",
        *([f"ARG BASE={spec.base}"] if spec.base else []),
        "",
        "FROM --platform=$HERE $BUILDER AS program",
        f"COPY {LOCK} /opt/toolchain.txt",
        "RUN python3 -m pip install --quiet --no-cache-dir --disable-pip-version-check \\",
        "    --root-user-action=ignore --no-compile --no-deps --require-hashes \\",
        f"    --target {spec.compiler.tools} -r /opt/toolchain.txt",
        *_program_stage(spec),
        "",
        *_image_stage(spec),
    ]
    return "\n".join(lines) + "\n"


def _usage(spec: DockerfileSpec) -> list[str]:
    first = spec.bundles[0]
    plain = list(common(spec.bundles).values())
    tag = f"{first.name}:{first.version.replace('+', '_')}"
    found = []
    if plain:
        found.append(f"docker buildx build --platform {','.join(map(platform, plain))} -t {tag} .")
    own = [bundle for bundle in spec.bundles if bundle not in plain]
    found += [
        f"docker buildx build --platform {platform(one)} --build-arg TARGET={one.target} "
        f"-t {tag}-{one.target} ."
        for one in own
    ]
    return found


_TARGET = ["ARG TARGETARCH", "ARG TARGETVARIANT", "ARG TARGET=$TARGETARCH$TARGETVARIANT"]


def _program_stage(spec: DockerfileSpec) -> list[str]:
    by, program, root = spec.compiler, _program(spec.bundles[0]), _root(spec)
    told = [f"-D{name}='{value}'" for name, value in by.variables.items()]
    return [
        *_TARGET,
        f"WORKDIR {by.place}",
        f"COPY {FILES}/$TARGET/source ./",
        f"RUN mkdir -p build out{root}/bin data/{DATA} \\",
        *([] if spec.base else [" && mkdir out/tmp && chmod 1777 out/tmp \\"]),
        f" && cp {by.link_words} build/ \\",
        f" && {by.cmake} -G Ninja -S program -B build \\",
        f"    -DCMAKE_BUILD_TYPE=Release -DCMAKE_MAKE_PROGRAM={by.ninja} \\",
        f"    -DCMAKE_TOOLCHAIN_FILE={by.place}/toolchain/toolchain.cmake \\",
        f"    {' '.join(told)} \\",
        f" && {by.ninja} -C build program \\",
        f" && python3 {by.strip} build/{program} out{root}/{program} \\",
        " && { sha256sum -c program.sha256 \\",
        '    || { echo "not the program that edgepack made: export the Dockerfile anew" >&2; exit 1; }; }',
    ]


def _image_stage(spec: DockerfileSpec) -> list[str]:
    first = spec.sources[0].part
    place, root = spec.compiler.place, _root(spec)
    lines = [
        f"FROM --platform=$THERE {'$BASE' if spec.base else 'scratch'}",
        *_TARGET,
        "# First, since docker's legacy builder takes equal lines of another platform for the same image.",
        "LABEL dev.edgepack.files=$TARGET",
        *(f"COPY {FILES}/$TARGET/{kind}/ {root if kind != 'base' else ''}/" for kind in _kinds(spec)),
    ]
    if not spec.base:
        lines.append(f"COPY {ACCOUNTS}/ /")
    lines += [
        f"COPY --from=program {place}/out/ /",
        f"COPY --from=program --chown={USER}:{USER} {place}/data/ /",
    ]
    return [*lines, *_settings(spec, first)]


def _root(spec: DockerfileSpec) -> str:
    """Where the release lies in the image: as edgepack's own has it."""
    return f"/opt/{spec.bundles[0].name}" if spec.base else ""


def _settings(spec: DockerfileSpec, part: Part) -> list[str]:
    """As image_config says them, in a Dockerfile's words."""
    labels = {
        "org.opencontainers.image.title": part.bundle.name,
        "org.opencontainers.image.version": part.bundle.version,
    }
    said: dict[str, Any] = image_config(part.bundle, part.base, [], spec.runs, labels)["config"]
    health = said["Healthcheck"]
    # The base's own PATH is known to the builder alone.
    env = [f"{word}:$PATH" if spec.base else word for word in said["Env"]]
    return [
        *(f'LABEL {key}="{_quoted(value)}"' for key, value in said["Labels"].items()),
        *(f'ENV {word.partition("=")[0]}="{word.partition("=")[2]}"' for word in env),
        *(f"EXPOSE {port}" for port in said.get("ExposedPorts", {})),
        f"USER {said['User']}",
        f"WORKDIR {said['WorkingDir']}",
        f"VOLUME {json.dumps(list(said['Volumes']))}",
        f"STOPSIGNAL {said['StopSignal']}",
        f"HEALTHCHECK {_health(health)} \\",
        f"    CMD {json.dumps(health['Test'][1:])}",
        f"ENTRYPOINT {json.dumps(said['Entrypoint'])}",
        f"CMD {json.dumps(said['Cmd'])}",
    ]


def _health(said: dict[str, Any]) -> str:
    times = {"interval": "Interval", "timeout": "Timeout", "start-period": "StartPeriod"}
    words = [f"--{word}={_seconds(said[key])}" for word, key in times.items()]
    return " ".join([*words, f"--retries={said['Retries']}"])


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds // 1_000_000_000}s"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
