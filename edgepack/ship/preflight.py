"""Whether a box can take a bundle: a pure decision from what the box said, before anything changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgepack.box.errors import PreflightError
from edgepack.box.facts import Facts
from edgepack.bundle import Bundle, BundleFile
from edgepack.ship import licence, model_key, needs, trust
from edgepack.ship.made import OnBox

MARGIN = 4 << 20  # bytes: for links, lists, logs
_NO_LINKS = ("vfat", "exfat", "msdos", "fuseblk")  # file systems without hard links


@dataclass(frozen=True)
class Refusal:
    """One reason why not, and what to do about it."""

    what: str
    fix: str


def missing(bundle: Bundle, facts: Facts) -> tuple[BundleFile, ...]:
    """The files to send: one for each content that the box's store lacks, the smallest first.

    Small ones first, because what came whole before a link is cut need not come again.
    """
    lacking = {file.sha256: file for file in bundle.files if file.sha256 not in facts.have}
    for file in bundle.files:
        if file.mode == 0o755 and file.sha256 in lacking:
            lacking[file.sha256] = file
    return tuple(sorted(lacking.values(), key=lambda file: (file.size, file.sha256)))


def refusals(bundle: Bundle, facts: Facts) -> tuple[Refusal, ...]:
    """Every reason why this box cannot take this bundle now; empty when it can."""
    return (
        *_architecture(bundle, facts),
        *_libc(bundle, facts),
        *_needs(bundle, facts),
        *_trust(bundle, facts),
        *_licence(bundle, facts),
        *_model_key(bundle, facts),
        *_permission(facts),
        *_tools(facts),
        *_room(bundle, facts),
        *_memory(bundle, facts),
    )


def for_image(bundle: Bundle, facts: Facts) -> tuple[Refusal, ...]:
    """Those that hold for a container too: its files lie elsewhere, and it brings what it is linked to."""
    anywhere = replace(facts, mount_options=())
    return (*_architecture(bundle, facts), *_permission(anywhere), *_tools(facts))


def check(bundle: Bundle, facts: Facts, where: str, more: Sequence[Refusal] = ()) -> None:
    """Raise PreflightError with all reasons at once; ``more``: such as were found otherwise."""
    reasons = (*refusals(bundle, facts), *more)
    if not reasons:
        return
    detail = "\n".join(f"{reason.what}\n  → {reason.fix}" for reason in reasons[1:])
    raise PreflightError(
        reasons[0].what,
        where=where,
        why="nothing was changed on the box",
        fix=reasons[0].fix,
        detail=detail,
    )


def _architecture(bundle: Bundle, facts: Facts) -> tuple[Refusal, ...]:
    if bundle.arch == facts.arch:
        return ()
    through = f" (through {facts.emulator})" if facts.emulator else f" (uname -m: {facts.machine})"
    return (
        Refusal(
            f"the bundle is for {bundle.arch}, the box runs {facts.arch}{through}",
            f"set the node's `target:` in fleet.yaml to one with arch {facts.arch}, build, deploy again",
        ),
    )


def _libc(bundle: Bundle, facts: Facts) -> tuple[Refusal, ...]:
    """``libc`` in ``release.json``: "static", or what the program needs, as "glibc 2.31".

    ``libc_for`` says which file of the release, and which symbol, asks for that.
    """
    needs = str(bundle.release.get("libc") or "static")
    if needs in ("static", "uClibc") or facts.libc == "unknown":  # its ldd says nothing that is known
        return ()
    family, _, version = needs.partition(" ")
    has, _, there = facts.libc.partition(" ")
    if family == has and _numbers(there) >= _numbers(version):
        return ()
    asking = bundle.release.get("libc_for")
    fix = "build it without the need: the default toolchain links everything into the program"
    if asking:
        fix = "build it with a runtime that is linked into a static program: `runtime: ncnn` in edgepack.yaml"
    what = f"the program needs {needs}, the box has {facts.libc}"
    return (Refusal(f"{what}: {asking} asks for it" if asking else what, fix),)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _trust(bundle: Bundle, facts: Facts) -> tuple[Refusal, ...]:
    choice = trust.choose(bundle, facts)
    return (Refusal(choice.why, choice.fix),) if choice.why else ()


def _licence(bundle: Bundle, facts: Facts) -> tuple[Refusal, ...]:
    why = licence.refusal(bundle.name, bundle.release, facts)
    fix = "edgepack licence issue NODE --until DATE --key KEY, then deploy again"
    return (Refusal(f"the program would not run: {why}", fix),) if why else ()


def _model_key(bundle: Bundle, facts: Facts) -> tuple[Refusal, ...]:
    refused = model_key.refusal(bundle.name, bundle.release, facts)
    return (Refusal(*refused),) if refused else ()


def _needs(bundle: Bundle, facts: Facts) -> tuple[Refusal, ...]:
    compared = needs.compare(bundle.release, facts, bundle.target)
    return tuple(Refusal(found.what, found.fix) for found in compared if found.verdict == "wrong")


def _permission(facts: Facts) -> tuple[Refusal, ...]:
    found = []
    if not facts.writable:
        found.append(
            Refusal(
                f"{facts.user} may not write in {facts.folder}",
                f"on the box: mkdir -p {facts.root} && chown {facts.user} {facts.root}; "
                "or set another `root:` for the node in fleet.yaml",
            )
        )
    if "noexec" in facts.mount_options and not facts.emulator:
        found.append(
            Refusal(
                f"programs in {facts.folder} cannot be started: it is mounted noexec",
                "set `root:` for the node in fleet.yaml to a folder on another file system",
            )
        )
    return tuple(found)


def _tools(facts: Facts) -> tuple[Refusal, ...]:
    lost = facts.missing_tools
    if not lost:
        return ()
    names = ", ".join("mv with -T" if tool == "mv-T" else tool for tool in lost)
    return (Refusal(f"the box lacks {names}", "install busybox (or coreutils, tar, findutils, awk) on it"),)


def _room(bundle: Bundle, facts: Facts) -> tuple[Refusal, ...]:
    to_send = missing(bundle, facts)
    needed = sum(file.size for file in to_send) + MARGIN
    if facts.filesystem in _NO_LINKS:
        needed += sum(file.size for file in bundle.files)
    if OnBox.of(bundle.release):  # kept once, and once in the release
        needed += 2 * sum(file.size for file in bundle.files if file.layer == "model")
    found = []
    if facts.disk_free is not None and facts.disk_free < needed:
        found.append(
            Refusal(
                f"{mib(needed)} are needed in {facts.folder}, {mib(facts.disk_free)} are free",
                f"free {mib(needed - facts.disk_free)} on the box, or set `root:` to a larger file system",
            )
        )
    files = len(to_send) + len(bundle.files) + 64
    if facts.inodes_free is not None and 0 < facts.inodes_free < files:
        found.append(
            Refusal(
                f"{files} files are needed in {facts.folder}, there is room for {facts.inodes_free}",
                "remove files on the box, or set `root:` to another file system",
            )
        )
    return tuple(found)


def _memory(bundle: Bundle, facts: Facts) -> tuple[Refusal, ...]:
    """The model and the program at least must fit, beside the release that runs meanwhile."""
    needed = sum(file.size for file in bundle.files if file.layer in ("model", "program", "libraries"))
    if facts.memory_available is None or facts.memory_available >= needed:
        return ()
    return (
        Refusal(
            f"the model and the program take {mib(needed)} of memory, {mib(facts.memory_available)} are free",
            "end what else runs on the box, or build a smaller model (`precision: fp16`)",
        ),
    )


def mib(size: int) -> str:
    """Bytes in words: ``3.2 MiB``."""
    return f"{size / (1 << 20):.1f} MiB" if size >= 1 << 20 else f"{size / 1024:.1f} KiB"
