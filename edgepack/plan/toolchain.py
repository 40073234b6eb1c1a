"""Which toolchains a plan may want: by name, a vendor's by its path, one in a container or on a node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgepack.catalog.targets import Target
from edgepack.catalog.toolchains import TOOLCHAINS, Elsewhere, GccByPath
from edgepack.manifest import model
from edgepack.manifest.model import TargetOptions
from edgepack.manifest.project import Manifest


def asked(options: TargetOptions) -> str | None:
    """What the manifest names for a target, as one word (``gcc:/opt/x/bin/…gcc:/opt/sysroot``)."""
    given = options.toolchain
    if given is None or isinstance(given, str):
        return given
    if isinstance(given, model.GccInContainer):
        return str(Elsewhere("container", given.container, given.gcc or ""))
    if isinstance(given, model.GccOnNode):
        return str(Elsewhere("node", given.node, given.gcc or ""))
    return str(GccByPath(Path(given.gcc), Path(given.sysroot) if given.sysroot else None))


def known(manifest: Manifest, target: Target, found: Mapping[str, str]) -> tuple[str, ...]:
    """Every toolchain that a target's program may be made with.

    found: what stands for one elsewhere once it is known what it is: ``Here.toolchains``.
    """
    wanted = asked(manifest.targets[target.id])
    return TOOLCHAINS if wanted is None or wanted in TOOLCHAINS else (*TOOLCHAINS, found.get(wanted, wanted))
