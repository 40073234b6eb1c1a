"""A sysroot out of Debian packages, without root: resolved by apt in a folder of its own, pinned, unpacked.

Which packages a sysroot is made of, with version and digest, is the user's lock; where they come from is the
host's own apt or ``$EDGEPACK_DEBIAN_MIRROR``, never a file of a project.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from edgepack.errors import InputError, ToolError
from edgepack.tools import apt, cache, debian
from edgepack.tools.debian import Package
from edgepack.tools.runner import Command, command, run

MARK = ".edgepack-sysroot.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SUITE = re.compile(r"[a-z][a-z0-9-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


@dataclass(frozen=True)
class SysrootLock:
    """What a sysroot is made of. arch: Debian's name; asked: the packages that were named, without needs."""

    arch: str
    suite: str
    asked: tuple[str, ...]
    packages: tuple[Package, ...]

    def write(self, file: Path) -> None:
        rows = [{key: value for key, value in asdict(p).items() if key != "url"} for p in self.packages]
        whole = {"arch": self.arch, "suite": self.suite, "asked": self.asked, "packages": rows}
        part = file.with_name(f".{file.name}.part")
        part.write_text(json.dumps(whole, indent=1) + "\n")
        part.replace(file)


def read(file: Path) -> SysrootLock:
    """Raises InputError where it is not such a lock."""
    try:
        whole = json.loads(file.read_text("utf-8"))
        packages = tuple(Package(**row) for row in whole["packages"])
        lock = SysrootLock(str(whole["arch"]), str(whole["suite"]), tuple(whole["asked"]), packages)
        if not all(_SHA256.fullmatch(p.sha256) and ".." not in p.path.split("/") for p in packages):
            raise ValueError("a digest or a path is none")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{file.name} is not a lock of a sysroot",
            where=str(file),
            why=str(error),
            fix="write it anew: edgepack sysroot ARCH PACKAGE… --lock FILE --update",
        ) from None
    return lock


def resolve(arch: str, suite: str, asked: Sequence[str], progress: Callable[[str], None]) -> SysrootLock:
    """The packages and all that they need, by apt's own index. Raises InputError or ToolError.

    arch: Debian's name. apt checks the index against the archive's signature; nothing is installed.
    """
    wrong = [name for name in asked if not _NAME.fullmatch(name)]
    if wrong or not _SUITE.fullmatch(suite):
        raise InputError(f"not a name of Debian's: {wrong[0] if wrong else suite}")
    folder = cache.root() / "apt" / f"{suite}-{arch}"
    with cache.locked(folder):
        config = _private(folder, arch, suite)
        progress(f"asking the Debian archive for {suite}, {arch}")
        _checked(_apt(config, "apt-get", "update", "-qq"), f"cannot read the index of {suite} for {arch}")
        plan = _checked(
            _apt(config, "apt-get", "install", "-s", "-y", "--no-install-recommends", *asked),
            f"{suite} has not all of {', '.join(asked)} for {arch}",
        )
        chosen = re.findall(r"^Inst (\S+) \((\S+)", plan, re.MULTILINE)
        exact = [f"{name.partition(':')[0]}={version}" for name, version in chosen]
        shown = _checked(_apt(config, "apt-cache", "show", *exact), "apt does not describe its own packages")
    found = tuple(
        Package(
            name=row["Package"],
            version=row["Version"],
            path=row["Filename"],
            size=int(row["Size"]),
            sha256=row["SHA256"].lower(),
            source=f"{suite}, {arch}",
        )
        for row in apt.stanzas(shown)
    )
    return SysrootLock(arch, suite, tuple(asked), tuple(sorted(set(found), key=lambda p: p.name)))


def make(lock: SysrootLock, dest: Path, progress: Callable[[str], None]) -> bool:
    """Unpack every package into ``dest``; False where it is there already, from the same lock.

    ``dest`` appears when it is whole. Raises ToolError where a package cannot be had with its digest, or
    ``dest`` is something else.
    """
    told = json.dumps([p.sha256 for p in lock.packages])
    mark = dest / MARK
    if mark.is_file() and mark.read_text() == told:
        return False
    if dest.exists() and not mark.is_file() and any(dest.iterdir()):
        raise ToolError(
            "this folder is not a sysroot of edgepack's",
            where=str(dest),
            fix="give one that is not there yet, or an empty one",
        )
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.with_name(f".{dest.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for number, package in enumerate(lock.packages, 1):
        progress(f"{number} of {len(lock.packages)}: {package}")
        _unpack(package, part)
    (part / MARK).write_text(told)
    shutil.rmtree(dest, ignore_errors=True)
    part.rename(dest)
    return True


def _unpack(package: Package, root: Path) -> None:
    tried = []
    for url in debian.addresses(package, apt.archives()):
        try:
            with debian.fetched(package, url, apt.proxy(), lambda _text, _done, _size: None) as deb:
                with debian.contents(deb) as archive:
                    for member in archive:
                        archive.extract(member, root, filter=_inside)
                return
        except debian.NotHad as error:
            tried.append(f"{url}: {error}")
    raise ToolError(
        f"cannot fetch the Debian package {package}",
        why="no Debian archive of this host has it" if tried else "this host's apt names no Debian archive",
        fix="set EDGEPACK_DEBIAN_MIRROR to a Debian archive that has it, or write the lock anew (--update)",
        detail="\n".join(tried),
    )


def _inside(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
    """Absolute links become relative ones, devices are left out, and nothing leads out of the folder."""
    if member.issym() and member.linkname.startswith("/"):
        above = len(PurePosixPath(member.name.removeprefix("./")).parent.parts)
        member = member.replace(linkname="../" * above + member.linkname.lstrip("/"), deep=False)
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return None
    return tarfile.data_filter(member, path)


def _private(folder: Path, arch: str, suite: str) -> Path:
    """An apt of its own: no package installed, one suite of the host's own archive; its configuration."""
    archives = [base for base in apt.archives() if "security" not in base]
    if not archives:
        raise ToolError(
            "this host's apt names no Debian archive",
            fix="set EDGEPACK_DEBIAN_MIRROR to the base address of one",
        )
    for name in ("state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "status").write_text("")
    signed = f"[signed-by={_KEYS}] " if _KEYS.is_file() else ""
    (folder / "sources.list").write_text(f"deb {signed}{archives[0]} {suite} main\n")
    config = folder / "apt.conf"
    config.write_text(
        f'Dir::State "{folder}/state";\nDir::State::status "{folder}/status";\n'
        f'Dir::Cache "{folder}/cache";\nDir::Etc::sourcelist "{folder}/sources.list";\n'
        f'Dir::Etc::sourceparts "-";\nAPT::Architecture "{arch}";\nAPT::Architectures "{arch}";\n'
        'Acquire::Languages "none";\nAPT::Sandbox::User "";\n'
    )
    return config


def _apt(config: Path, program: str, *words: str) -> Command:
    if shutil.which(program) is None:
        raise ToolError(
            f"no {program} on this host",
            why="Debian's own apt resolves what packages need",
            fix="write the lock on a Debian or Ubuntu host: a sysroot is made from it anywhere",
        )
    return command(program, *words, timeout_s=600, env={"APT_CONFIG": str(config), "LC_ALL": "C"})


def _checked(cmd: Command, what: str) -> str:
    done = run(cmd)
    if not done.ok:
        raise ToolError(what, why="apt says so below", detail=done.text().strip()[-1500:])
    return done.stdout.decode("utf-8", "replace")


def codename() -> str:
    """The suite of this host, where it is a Debian; the one that edgepack's pins are of otherwise."""
    try:
        text = Path("/etc/os-release").read_text("utf-8", "replace")
    except OSError:
        text = ""
    known = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    own = known.get("VERSION_CODENAME", "").strip('"')
    return own if known.get("ID", "").strip('"') == "debian" and own else "bookworm"


def default_place(lock: SysrootLock) -> Path:
    """Where a sysroot lies whose place nobody named: in the cache, by what it is made of."""
    digest = hash_of([p.sha256 for p in lock.packages])
    return cache.root() / "sysroots" / f"debian-{lock.suite}-{lock.arch}-{digest}"


def hash_of(words: Sequence[str]) -> str:
    import hashlib

    return hashlib.sha256(os.linesep.join(words).encode()).hexdigest()[:16]
