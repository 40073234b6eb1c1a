"""``targets/<id>.yaml``: what we know about a SoC or board, each fact with its source."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from edgepack import document
from edgepack.catalog import paths
from edgepack.catalog.words import BY_CONTRACT
from edgepack.errors import InputError
from edgepack.manifest.words import Model, Name, PrecisionName

Arch = Literal["x86_64", "aarch64", "armhf", "riscv64"]
# What is to be known of every box. What stands in no source is told as unknown.
WANTED = {
    "arch": "its processor's architecture, without which no program is made",
    "libc": "the oldest libc to expect",
    "memory_mb": "its memory",
    "devices": "the device nodes that a program needs",
    "tops": "operations in a second, by precision",
    "channel_multiple": "the widths that it prefers",
    "versions": "which toolkit, runtime and driver fit together",
}


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split(", "))


# What a name in a row of `versions` is of. The others are of the system: `cuda`, `ubuntu`.
VERSIONS_OF = {
    "toolkit": _names(
        "cann, cntoolkit, cntoolkit-edge, dataflow compiler, edgetpu_compiler, jetpack, nncase, "
        "openvino, rknn-toolkit, rknn-toolkit2, tensorrt, tpu-mlir, tpu-nntc, vitis-ai"
    ),
    "runtime": _names(
        "cann, hailort, hailort and pcie driver, jetpack, librknnmrt, librknnrt, libsophon, "
        "openvino, rknpu, runtime, tensorrt"
    ),
    "driver": _names(
        "ascend-driver, driver, driver and firmware, galcore, hailo-driver, hailort and pcie "
        "driver, l4t, npu-smi and driver, nvidia-driver, rknpu-driver, sophon-driver"
    ),
}
_SOURCE = "a data sheet, a page of the maker's, or what a command printed on which unit"


class TextFact(Model):
    """A word, and where it stands."""

    value: str = Field(description="the fact")
    source: str = Field(min_length=4, description=_SOURCE)


class ArchFact(Model):
    """The architecture that its programs are built for."""

    value: Arch = Field(description="as edgepack calls it; `uname -m` may say it otherwise")
    source: str = Field(min_length=4, description=_SOURCE)


class AnyFact(Model):
    """A number, a list, anything; and where it stands."""

    value: Any = Field(description="the fact")
    source: str = Field(min_length=4, description=_SOURCE)


class Facts(Model):
    """What building needs, and what people want to know. A fact without a source is refused."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)
    __pydantic_extra__: dict[str, AnyFact]

    arch: ArchFact | None = Field(
        default=None, description="what programs are built for; left out: unknown, the model alone is made"
    )
    cpu: TextFact | None = Field(default=None, description="clang's -mcpu name; left out: the baseline")
    chip: TextFact | None = Field(default=None, description="as recipes name it under `chips`: `rk3588`")
    libc: TextFact | None = Field(default=None, description="the oldest libc to expect: `glibc 2.31`")

    @model_validator(mode="after")
    def _arch_by_its_name(self) -> Facts:
        """A slip in the one name that decides whether there is a program is no fact of another name."""
        near = difflib.get_close_matches("arch", self.__pydantic_extra__, 1, 0.7)
        near += [name for name in ("architecture", "machine") if name in self.__pydantic_extra__]
        if self.arch is None and near:
            raise ValueError(f"`{near[0]}` is no fact that edgepack reads: did you mean `arch`?")
        return self

    def known(self) -> dict[str, ArchFact | TextFact | AnyFact]:
        """All facts that there are, by name."""
        named = {"arch": self.arch, "cpu": self.cpu, "chip": self.chip, "libc": self.libc}
        return {k: v for k, v in named.items() if v is not None} | self.__pydantic_extra__

    def unknown(self) -> dict[str, str]:
        """What one would want to know and no source was found for: its name, and what it is in words."""
        found = {name: words for name, words in WANTED.items() if name not in self.known()}
        return found | {f"versions, {part}": f"which {part} fits" for part in self.versions_without()}

    def versions_without(self) -> list[str]:
        """Of toolkit, runtime and driver what no row of `versions` has; nothing where there are no rows."""
        said = self.known().get("versions")
        rows = said.value if said and isinstance(said.value, list) else []
        names = {str(name).lower() for row in rows if isinstance(row, dict) for name in row}
        return [part for part, known in VERSIONS_OF.items() if rows and not names & known]


class Verified(Model):
    """What was seen to work, on what. Nothing here: by contract only."""

    how: Literal["hardware", "emulator", "simulator"] = Field(description="on what kind of thing")
    name: str = Field(description="which one: a unit, or a program such as `qemu-user`")
    what: str = Field(description="what was seen to work there")
    on: str | None = Field(default=None, description="when and with which version")


class TargetFile(Model):
    """One target."""

    name: str = Field(description="as people call it")
    summary: str = Field(default="", description="one sentence more")
    facts: Facts
    runtimes: list[Name] = Field(min_length=1, description="in order of preference")
    precision: PrecisionName = Field(
        default="fp32", description="of the converted model, where a project says nothing"
    )
    verified: list[Verified] = Field(default=[], description="what was seen to work; empty: by contract only")
    notes: list[str] = Field(default=[], description="what else one should know")


@dataclass(frozen=True)
class Target:
    """A target by its id, and the file it came from."""

    id: str
    file: Path
    about: TargetFile

    @property
    def known_arch(self) -> Arch | None:
        """The architecture that its programs are built for; None where nobody knows it."""
        return self.about.facts.arch.value if self.about.facts.arch else None

    @property
    def arch(self) -> Arch:
        """The same for what cannot do without. Raises InputError where nobody knows it."""
        if self.known_arch is None:
            raise self.without_arch(f"targets/{self.file.name}")
        return self.known_arch

    def without_arch(
        self, where: str, why: str = "a program is compiled for one, and no source says which"
    ) -> InputError:
        """Nobody knows its architecture, and here it is needed."""
        shipped = self.file.is_relative_to(paths.data("targets"))
        into = f"a copy of {self.file} in targets/ beside edgepack.yaml" if shipped else str(self.file)
        return InputError(
            f"the architecture of {self.id} is not known",
            where=where,
            why=why,
            detail="\n".join(note for note in self.about.notes if "`arch`" in note),
            fix="look at what `uname -m` says on the box, and write it with its source among the facts of "
            f"{into}: `arch: {{value: aarch64, source: uname -m on unit 12}}`",
        )

    @property
    def cpu(self) -> str | None:
        return self.about.facts.cpu.value if self.about.facts.cpu else None

    @property
    def chip(self) -> str | None:
        return self.about.facts.chip.value if self.about.facts.chip else None

    @property
    def libc(self) -> str | None:
        """The oldest libc to expect, as "glibc 2.31"; None where nobody knows it."""
        return self.about.facts.libc.value if self.about.facts.libc else None

    def verification(self) -> str:
        """The one sentence on how far this target is proven, in the words used everywhere."""
        for how in ("hardware", "emulator", "simulator"):
            names = sorted({v.name for v in self.about.verified if v.how == how})
            if names and how == "hardware":
                return f"verified on hardware ({', '.join(names)})"
            if names:
                return f"verified on emulator or simulator ({', '.join(names)})"
        return BY_CONTRACT


def load(target_id: str, project: Path | None) -> Target:
    """The target of that id: the project's own, then the user's, then the shipped one."""
    known = find(project)
    if target_id not in known:
        raise InputError(f"there is no target `{target_id}`", why=near(target_id, known))
    file = known[target_id]
    shown = f"targets/{file.name}"
    return Target(target_id, file, document.load(TargetFile, document.read(file, shown)))


def find(project: Path | None) -> dict[str, Path]:
    """All targets: id → file."""
    found: dict[str, Path] = {}
    for folder in paths.layers("targets", project):
        for file in sorted(folder.glob("*.yaml")):
            found.setdefault(file.stem, file)
    return dict(sorted(found.items()))


def load_all(project: Path | None) -> Iterator[Target]:
    """All of them, read."""
    for target_id in find(project):
        yield load(target_id, project)


def near(target_id: str, known: dict[str, Path]) -> str:
    """The hint for an id that nobody knows."""
    close = difflib.get_close_matches(target_id, known, 1, 0.5)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(known)}"
