"""Darknet's ``.cfg``: sections of ``key=value``, one section a layer, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from edgepack_recipe import Refused

MAX_BYTES = 4 << 20


@dataclass
class Section:
    """A layer. number: from 0, without ``[net]``; line: where it begins in the file."""

    kind: str
    number: int
    line: int
    values: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"layer {self.number} [{self.kind}], line {self.line}"

    def text(self, key: str, default: str) -> str:
        return self.values.get(key, default)

    def whole(self, key: str, default: int) -> int:
        """Raises Refused where it is no whole number."""
        return self.wholes(key, [default])[0]

    def wholes(self, key: str, default: list[int]) -> list[int]:
        said = self.values.get(key)
        if said is None:
            return default
        try:
            found = [int(part) for part in said.replace(" ", "").split(",") if part]
        except ValueError:
            found = []
        if not found:
            raise Refused("not-a-model", f"{key}={said} is no whole number", f"in {self.place}")
        return found

    def number_of(self, key: str, default: float) -> float:
        said = self.values.get(key)
        try:
            return default if said is None else float(said)
        except ValueError:
            raise Refused("not-a-model", f"{key}={said} is no number", f"in {self.place}") from None


def read(file: Path) -> tuple[Section, list[Section]]:
    """``[net]`` and the layers. Raises Refused."""
    if not file.is_file() or file.stat().st_size > MAX_BYTES:
        raise Refused("not-a-model", f"{file.name} is no Darknet cfg", "it is not a file of at most 4 MiB")
    sections: list[Section] = []
    for line, raw in enumerate(file.read_text("utf-8", "replace").splitlines(), 1):
        said = raw.split("#")[0].split(";")[0].strip()
        if said.startswith("["):
            kind = said.strip("[] ").lower()
            sections.append(Section(kind, len(sections) - 1, line))
        elif "=" in said and sections:
            key, _, value = said.partition("=")
            sections[-1].values[key.strip()] = value.strip()
        elif said:
            what = f"{file.name} is no Darknet cfg"
            raise Refused("not-a-model", what, f"line {line} is neither [a section] nor key=value")
    if not sections or sections[0].kind not in ("net", "network") or len(sections) < 2:
        what = f"{file.name} is no Darknet cfg"
        raise Refused("not-a-model", what, "it does not begin with [net], followed by layers")
    return sections[0], sections[1:]
