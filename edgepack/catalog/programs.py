"""Whether a target's runtime gets a program, and what that needs: one line each, for people."""

from __future__ import annotations

from edgepack.catalog.packaged_runtimes import PACKAGED
from edgepack.catalog.runtimes import LINKED, libc_family
from edgepack.catalog.targets import Target
from edgepack.catalog.vendor_runtimes import vendor_of

NO_ARCH = "the architecture is not known"


def program_with(runtime: str, target: Target) -> str:
    """As ``static, needs nothing of the box`` or ``none, the converted model alone: …``."""
    if runtime in PACKAGED:
        about = PACKAGED[runtime]
        why = about.why_not(target.arch, target.libc) if target.known_arch else NO_ARCH
        if why is not None:
            return f"no program: {why}"
        needs = f"glibc {about.libraries[target.arch].glibc} or newer"
        return f"with {about.name} {about.version} beside it, {needs}"
    vendor = vendor_of(runtime, target.chip)
    if vendor is not None:
        why = vendor.why_not(target.chip, target.libc) or (None if target.known_arch else NO_ARCH)
        if why is not None:
            return f"the converted model alone: {why}"
        keys = [vendor.key, *([vendor.beside.key] if vendor.beside else [])]
        headers = f"{vendor.name}'s headers ({' and '.join(f'sdk.{key}' for key in keys)})"
        if vendor.brings:
            return f"with {headers} and the {vendor.sonames[0]} that lies beside them, in the bundle, by gcc"
        by = ", by gcc" if vendor.links or libc_family(target.libc) != "glibc" else ""
        return f"{vendor.proof}, with {headers} and the box's own {vendor.sonames[0]}{by}"
    if LINKED.get(runtime) == "static" and not target.known_arch:
        return f"no program: {NO_ARCH}"
    if LINKED.get(runtime) == "static":
        return "static, needs nothing of the box"
    return "the converted model alone"
