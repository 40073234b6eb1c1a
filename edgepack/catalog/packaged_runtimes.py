"""Every runtime whose library comes in a package, and what names the files of one.

Data only, so that a plan can key a runtime and refuse a target without fetching anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from edgepack.catalog.architectures import architecture
from edgepack.catalog.litert_build import LITERT
from edgepack.catalog.onnxruntime_build import ONNX_RUNTIME
from edgepack.catalog.openvino_build import OPENVINO
from edgepack.catalog.packaged import Packaged
from edgepack.catalog.toolchains import flags, pins

PACKAGED: Mapping[str, Packaged] = {about.id: about for about in (ONNX_RUNTIME, OPENVINO, LITERT)}
"""By the name that a target's ``runtimes`` has."""


@dataclass(frozen=True)
class PackagedSpec:
    """The files of one runtime for one architecture."""

    runtime: str
    arch: str

    def key(self) -> str:
        """A digest of all that they are, and of the toolchain whose programs load them."""
        about = PACKAGED[self.runtime]
        library = about.libraries.get(self.arch)
        inputs = {
            "arch": self.arch,
            "runtime": [about.id, about.version, dict(about.licences), about.headers, about.place],
            "library": asdict(library) if library else None,
            "header": about.header.sha256 if about.header else "",
            "flags": asdict(flags("zig", architecture(self.arch).glibc)),
            "pins": pins("zig", self.arch),
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
