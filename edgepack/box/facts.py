"""What a box says of itself, from the lines of the script's ``probe``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edgepack.box.errors import BoxError
from edgepack.box.session import Box

NEEDED = ("tar", "mv-T", "awk", "sed", "xargs", "df", "readlink")


@dataclass(frozen=True)
class Version:
    """Of a driver, a runtime or a board support package, and the place on the box where it was read."""

    value: str
    place: str


@dataclass(frozen=True)
class Facts:
    """A box at one moment. What it does not say is None; sizes are bytes."""

    arch: str
    machine: str  # uname -m
    kernel: str
    emulator: str  # "" on real boxes
    libc: str  # "glibc 2.36", "musl 1.2.3", "none", "unknown"
    root: str  # absolute
    folder: str  # the root, or the folder above it that exists
    writable: bool
    user: str
    filesystem: str  # its type
    mount_options: tuple[str, ...]
    disk_free: int | None
    inodes_free: int | None
    memory_total: int | None
    memory_available: int | None
    clock: int | None  # seconds since 1970, by the box's clock
    tools: frozenset[str]
    current: dict[str, str] = field(default_factory=dict)  # app → release
    releases: tuple[str, ...] = ()  # of the app asked for
    have: frozenset[str] = frozenset()  # sha256 that are in its store, and right
    damaged: tuple[str, ...] = ()  # sha256 that are in its store, but whose bytes are others
    lock: str = ""  # "" when free; else `TOKEN SECONDS-LEFT SINCE OWNER`
    boots: str = "no none"  # what starts the programs with the box: "systemd"; or "no " and what could
    helpers: frozenset[str] = frozenset()  # sha256 of edgepack's helpers that are there
    parts: dict[str, int] = field(default_factory=dict)  # sha256 of a file that came in part → bytes
    bases: dict[str, str] = field(default_factory=dict)  # path in the app's current release → sha256
    runs: dict[str, str] = field(default_factory=dict)  # app → "systemd 512-150", where a way was ever told
    soc: tuple[str, ...] = ()  # the device tree's `compatible`: the board, then its chip; empty: unknown
    versions: dict[str, Version] = field(default_factory=dict)  # "l4t", "cann"; what is not there is unknown
    enrolled: int | None = None  # the serial of its list of keys; None: it takes what is not signed
    keys: dict[str, str] = field(default_factory=dict)  # its keys, 64 hexadecimal digits → name
    checker: str = ""  # sha256 of the helper that checks signatures
    serials: dict[str, int] = field(default_factory=dict)  # app → of the newest release that was confirmed
    devices: tuple[tuple[str, str], ...] = ()  # source and fingerprint, for the app asked for, the best first
    licence: str = ""  # the text of its licence, for the app asked for
    model_keys: tuple[str, ...] = ()  # what opens its encrypted models, wrapped, for the app asked for

    @property
    def missing_tools(self) -> tuple[str, ...]:
        """What the script cannot do without and is not there."""
        lost = [tool for tool in NEEDED if tool not in self.tools]
        if not self.tools & {"openssl", "sha256sum", "busybox"}:
            lost.append("sha256sum")
        return tuple(lost)


def probe(box: Box, app: str | None, digests: Sequence[str] = ()) -> Facts:
    """Ask the box, and about one app. ``digests``: which of these files its store has. Changes nothing."""
    lines = box.call("probe", *([app] if app else []), stdin=["".join(f"{d}\n" for d in digests).encode()])
    try:
        return parse(lines)
    except (KeyError, ValueError) as error:
        raise BoxError(
            "the box's answer about itself cannot be read",
            "probe",
            where=box.endpoint.where,
            detail=str(error),
        ) from error


def parse(lines: Iterable[str]) -> Facts:
    """Facts from lines of ``word value``. Raises KeyError or ValueError for what is not there."""
    said: dict[str, list[str]] = {}
    for line in lines:
        word, _, value = line.partition(" ")
        said.setdefault(word, []).append(value.strip())

    def one(word: str) -> str:
        return said[word][0]

    def number(word: str, unit: int = 1) -> int | None:
        value = said.get(word, [""])[0]
        return int(value) * unit if value.isdigit() else None

    filesystem, _, options = one("filesystem").partition(" ")
    return Facts(
        arch=one("arch"),
        machine=one("machine"),
        kernel=one("kernel"),
        emulator=one("emulator"),
        libc=one("libc"),
        root=one("root"),
        folder=one("folder"),
        writable=one("writable") == "yes",
        user=one("user"),
        filesystem=filesystem,
        mount_options=tuple(options.split(",")) if options else (),
        disk_free=number("disk_free_kb", 1024),
        inodes_free=number("inodes_free"),
        memory_total=number("memory_total_kb", 1024),
        memory_available=number("memory_available_kb", 1024),
        clock=number("clock"),
        tools=frozenset(said.get("tool", [])),
        current={
            app: release for app, _, release in (line.partition(" ") for line in said.get("current", []))
        },
        releases=tuple(said.get("release", [])),
        have=frozenset(said.get("have", [])),
        damaged=tuple(said.get("damaged", [])),
        lock=said.get("lock", [""])[0],
        boots=said.get("boots", ["no none"])[0],
        helpers=frozenset(said.get("helper", [])),
        parts={sha: int(size) for sha, _, size in (line.partition(" ") for line in said.get("part", []))},
        runs={app: way for app, _, way in (line.partition(" ") for line in said.get("runs", []))},
        soc=tuple(said.get("soc", [])),
        versions={
            name: Version(value, place)
            for name, value, place in (line.split(" ", 2) for line in said.get("version", []))
        },
        bases={path: sha for sha, _, path in (line.partition(" ") for line in said.get("base", []))},
        enrolled=int(said["enrolled"][0].partition(" ")[0]) if "enrolled" in said else None,
        keys={key: name for key, _, name in (line.partition(" ") for line in said.get("key", []))},
        checker=said.get("enrolled", [""])[0].partition(" ")[2],
        serials={app: int(n) for app, _, n in (line.partition(" ") for line in said.get("serial", []))},
        devices=tuple((name, value) for name, value in map(str.split, said.get("device", []))),
        licence="".join(f"{line}\n" for line in said.get("licence", [])),
        model_keys=tuple(said.get("opens", [])),
    )
