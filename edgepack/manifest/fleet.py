"""``fleet.yaml``: the boxes, and how to reach each."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from edgepack import document
from edgepack.errors import InputError
from edgepack.manifest.secrets import Secrets
from edgepack.manifest.words import Model, Name, NodeName, TargetId, matching

FILE = "fleet.yaml"
SANDBOX = "sandbox"

Address = Annotated[
    str,
    matching(r"[A-Za-z0-9][A-Za-z0-9:._%-]{0,254}", "this must be a host name, an address or an ssh alias"),
]
Account = Annotated[
    str, matching(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,31}\$?", "this must be the name of an account on the box")
]
HostKey = Annotated[
    str, matching(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+", "this must be a public key, like `ssh-ed25519 AAAA…`")
]
Jump = Annotated[
    str, matching(r"[A-Za-z0-9_][A-Za-z0-9@:._,-]{0,254}", "this must be a jump host, like `user@host:port`")
]
Image = Annotated[
    str,
    matching(
        r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}", "this must be the name of an image, like `debian:12-slim`"
    ),
]
Root = Annotated[
    str,
    matching(
        r"/?[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*",
        "this must be a folder on the box, of letters, digits, . _ - only",
    ),
]


def _at_once(value: int | str) -> int | str:
    if value in range(1, 10_001) if isinstance(value, int) else re.fullmatch(r"([1-9][0-9]?|100)%", value):
        return value
    raise ValueError("this must be a number of boxes from 1 on, or a part of them, like `25%`")


AtOnce = Annotated[int | str, AfterValidator(_at_once)]


class Limits(Model):
    """What systemd, or an engine of containers, lets an app have."""

    memory_mb: Annotated[int, Field(ge=0, le=1 << 20)] = Field(default=0, description="MiB; 0: no limit")
    cpu_percent: Annotated[int, Field(ge=0, le=100_000)] = Field(
        default=0, description="100 is one core; 0: no limit"
    )


class Node(Model):
    """One box."""

    target: TargetId = Field(description="what the box is: an id of `edgepack targets`")
    address: Address = Field(
        description="a host name, an address, an alias of your ~/.ssh/config, or `sandbox`"
    )
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        default=None, description="left out: what your ~/.ssh/config says, or 22"
    )
    user: Account | None = Field(
        default=None,
        description="the account on the box; left out: what your ~/.ssh/config says, or your own name",
    )
    identity: str | None = Field(default=None, description="a private key file; else what ssh would use")
    host_key: HostKey | None = Field(
        default=None, description="the box's public key, pinned: `ssh-ed25519 AAAA…`"
    )
    jump: Jump | None = Field(default=None, description="a jump host: user@host:port")
    transport: Literal["paramiko", "ssh"] = Field(
        default="paramiko",
        description="what makes the connection. paramiko: edgepack itself; ssh: this machine's own, for what "
        "only that can do, as hardware keys, GSSAPI or `Match exec`",
    )
    zone: str | None = Field(
        default=None, description="the site's time zone, like `Europe/Zurich`; left out: this host's"
    )
    site: Name | None = Field(
        default=None,
        description="which site it stands at; `edgepack export kubernetes` writes an overlay for each",
    )
    root: Root = Field(
        default="edgepack", description="the folder on the box; relative to the account's home"
    )
    runs: Literal["process", "systemd", "compose", "k8s"] = Field(
        default="process",
        description="process: a plain process, which the box's own script watches over; systemd: a unit, "
        "hardened, with a watchdog and `limits` (by contract only); compose: a container of the box's "
        "docker; k8s: the box is a node of a cluster, to which `edgepack apply` brings the site's manifests",
    )
    base: Image | None = Field(
        default=None,
        description="an image that the box has, below the release with `runs: compose`: for programs that "
        "need a libc or a vendor's libraries; left out: an image without a file",
    )
    pause: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="whether what runs is paused while a new release computes its golden vectors. auto: "
        "where the two do not fit on the box together, which is found by trying",
    )
    limits: Limits = Field(
        default_factory=Limits,
        description="the most that an app gets, with `runs: systemd` and in a container",
    )
    boot: Literal["auto", "never"] = Field(
        default="auto",
        description="auto: the programs start with the box, by systemd, OpenRC, sysvinit, busybox or cron, "
        "whichever it has and the account may use; never: nothing outside `root` is touched",
    )
    secrets: Secrets | None = None


class Policy(Model):
    """How a new release may come to many boxes."""

    max_unavailable: AtOnce = Field(
        default=1,
        description="of the boxes of one kind at a site, how many may be without a running program at once; "
        "`edgepack export kubernetes` and `helm` hand it on",
    )


class Fleet(Model):
    """All of them."""

    nodes: dict[NodeName, Node] = Field(
        default={}, description="boxes by the names that commands take: letters, digits, `.` `_` `-`"
    )
    policy: Policy = Field(default_factory=Policy, description="how a new release may come to many boxes")


def load(folder: Path) -> Fleet:
    """Read ``fleet.yaml``; a project without one has an empty fleet."""
    file = folder / FILE
    if not file.exists():
        return Fleet()
    return document.load(Fleet, document.read(file, FILE))


def unknown(name: str, fleet: Fleet) -> InputError:
    """The error for a node that nobody knows, with the nearest name."""
    near = difflib.get_close_matches(name, fleet.nodes, 1, 0.6)
    hint = f"did you mean `{near[0]}`?" if near else "known: " + (", ".join(fleet.nodes) or "none")
    return InputError(
        f"there is no node `{name}`",
        where=FILE,
        why=hint,
        fix=f"add it to {FILE}, or make a throwaway one: edgepack sandbox up {name} --target TARGET",
    )
