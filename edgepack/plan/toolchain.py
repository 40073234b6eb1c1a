"""Which toolchains a plan may want: by name, and a vendor's by its path."""

from __future__ import annotations

from pathlib import Path

from edgepack.catalog.targets import Target
from edgepack.catalog.toolchains import TOOLCHAINS, GccByPath
from edgepack.manifest.model import TargetOptions
from edgepack.manifest.project import Manifest


def asked(options: TargetOptions) -> str | None:
    """What the manifest names for a target, as one word (``gcc:/opt/x/bin/…gcc:/opt/sysroot``)."""
    given = options.toolchain
    if given is None or isinstance(given, str):
        return given
    return str(GccByPath(Path(given.gcc), Path(given.sysroot) if given.sysroot else None))


def known(manifest: Manifest, target: Target) -> tuple[str, ...]:
    """Every toolchain that a target's program may be made with."""
    wanted = asked(manifest.targets[target.id])
    return TOOLCHAINS if wanted is None or wanted in TOOLCHAINS else (*TOOLCHAINS, wanted)
