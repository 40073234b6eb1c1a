"""``fleet.yaml``: the boxes, and how to reach each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

from pydantic import AfterValidator, Field, create_model
from pydantic.fields import FieldInfo

from edgepack import document
from edgepack.errors import InputError
from edgepack.manifest.included import Include
from edgepack.manifest.secrets import SecretName, Secrets, SecretSource
from edgepack.manifest.words import Model, Name, TargetId, matching

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


Label = Annotated[
    str,
    matching(
        r"[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?",
        "a label's name is at most 63 letters, digits, . _ / -, with a letter or digit at both ends",
    ),
]
LabelValue = Annotated[
    str,
    matching(r"[A-Za-z0-9._:@+-]{0,63}", "a label's value is at most 63 letters, digits, . _ : @ + -"),
]


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
    group: Name | None = Field(default=None, description="what it shares values with: a name of `groups`")
    labels: dict[Label, LabelValue] = Field(
        default={}, description="what it is chosen by: `edgepack status camera=axis`; your own words"
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


def _part_of_node() -> type[Model]:
    """``Node`` with nothing that must be said, for what several nodes share."""
    fields: dict[str, Any] = {}
    taken_away: dict[str, Any] = {
        "labels": dict[Label, LabelValue | None],
        "secrets": dict[SecretName, SecretSource | None],
    }
    for name, info in Node.model_fields.items():
        kind: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        kind = taken_away.get(name, kind)
        default = Field(default=None, description=f"{info.description}{_left_out(info)}")
        fields[name] = (Optional[kind], default)  # noqa: UP045 - `kind` is known at run time alone
    about = "What is said of a node, here or in what it shares with others."
    return create_model("NodePart", __base__=Model, __doc__=about, **fields)


def _left_out(info: FieldInfo) -> str:
    """What holds where nothing says it, for the reference."""
    if info.is_required():
        return "; each node needs it, from here or from what it shares"
    return f"; `{info.default}` where nothing says it" if isinstance(info.default, str) else ""


NodePart = _part_of_node()

Key = Annotated[
    str,
    matching(
        r"[A-Za-z0-9\[][A-Za-z0-9._\[\]-]{0,126}",
        "a node's name has only letters, digits, . _ -, and ranges like [001-300]",
    ),
]


class FleetFile(Model):
    """The boxes, and what they share. What is nearer to a node wins: its own, its group's, its site's."""

    defaults: NodePart = Field(  # type: ignore[valid-type]
        default_factory=NodePart, description="what holds for all nodes that do not say otherwise"
    )
    sites: dict[Name, NodePart] = Field(  # type: ignore[valid-type]
        default={},
        description="by a site's name, what its nodes share: `zone`, `jump`, …; wins over `defaults`",
    )
    groups: dict[Name, NodePart] = Field(  # type: ignore[valid-type]
        default={}, description="by a group's name, what its nodes share; wins over their site"
    )
    nodes: dict[Key, NodePart | None] = Field(  # type: ignore[valid-type]
        default={},
        description="boxes by the names that commands take: letters, digits, `.` `_` `-`. `box-[001-300]` is "
        "300 of them; in their values `{1}` is the number as in the name, `{1:d}` without zeros, "
        "`{name}` the name",
    )
    include: list[Include] = Field(default=[], description="where more of them come from")
    policy: Policy = Field(default_factory=Policy, description="how a new release may come to many boxes")


@dataclass(frozen=True)
class Fleet:
    """All boxes. places: where each stands, as ``fleet.yaml:3``."""

    nodes: Mapping[str, Node] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    places: Mapping[str, str] = field(default_factory=dict)


def load(folder: Path) -> Fleet:
    """``fleet.yaml`` and what it includes, put together; a project without one has an empty fleet.

    Raises InputError with every problem, each at its line.
    """
    from edgepack.manifest import inventory

    written = documents(folder)
    return inventory.put_together(written) if written else Fleet()


def documents(folder: Path) -> list[document.Document]:
    """``fleet.yaml`` first, then what it includes, each checked for itself. Raises InputError."""
    from edgepack.manifest import included, parsed

    file = folder / FILE
    if not file.exists():
        return []
    first = parsed.read(file, FILE, included.MAX_BYTES)
    said = check(first)
    out = [first]
    for number, one in enumerate(said.include):
        for more in included.documents(folder, one, first, ("include", number)):
            problems = [*included.not_here(more)]
            if problems:
                raise more.wrong(*problems)
            check(more)
            out.append(more)
    problems = [*included.clash(out)]
    if problems:
        raise first.wrong(*problems, what="the same name stands in two files")
    return out


def check(file: document.Document) -> FleetFile:
    """Each part for itself: what is wrong in a group is told once, and not of each of its nodes."""
    from edgepack.manifest import ranges

    return document.load(FleetFile, replace(file, data=ranges.sampled(file.data)))


def unknown(name: str, names: Collection[str]) -> InputError:
    """The error for a node that nobody knows, with the nearest name."""
    near = difflib.get_close_matches(name, names, 1, 0.6)
    few = ", ".join(list(names)[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    hint = f"did you mean `{near[0]}`?" if near else "known: " + (few or "none")
    return InputError(
        f"there is no node `{name}`",
        where=FILE,
        why=hint,
        fix=f"add it to {FILE}, or make a throwaway one: edgepack sandbox up {name} --target TARGET",
    )
