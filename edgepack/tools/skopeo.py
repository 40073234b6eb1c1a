"""skopeo: between an OCI layout and a registry. It speaks their dialects and reads docker's credentials.

Blobs that the registry has are not sent. ``--preserve-digests``, since it would compress layers on the way,
and then nothing would have the digest that was built and signed. https://github.com/containers/skopeo
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from edgepack.errors import ToolError
from edgepack.tools.runner import Command, command, run

_HOURS_S = 6 * 3600.0  # gigabytes over an uplink
_UNKNOWN = r"manifest unknown|name unknown|unknown name|unknown manifest|repository name not known"
# What its words mean: those of https://github.com/containers/image, no contract. What fits none is shown.
_MEANS = (
    (
        r"unauthorized|authentication required|denied|forbidden",
        "the registry does not take these credentials, or none were found",
        "log in with docker, podman or skopeo: skopeo login registry.example",
    ),
    (
        r"no image found in (image index|manifest list)",
        "that image is not for this architecture",
        "name one that is, or only the targets that it is for",
    ),
    (
        _UNKNOWN,
        "the registry has no image of that name and tag",
        "look at the name and the tag",
    ),
    (
        r"server gave HTTP response to HTTPS client",
        "the registry speaks no TLS",
        "--insecure, where the network between is yours alone",
    ),
    (
        r"x509|certificate",
        "nobody that this host trusts vouches for the registry's certificate",
        "put its authority into /etc/containers/certs.d/HOST:PORT/ca.crt or /etc/docker/certs.d",
    ),
    (
        r"no such host|connection refused|i/o timeout|no route to host",
        "the registry cannot be reached",
        "look at its name, its port and the network",
    ),
)


def push(layout: Path, tag: str, repository: str, *, insecure: bool = False, exact: bool = True) -> Command:
    """Copy what ``tag`` names in a layout, an index with all its images too, to ``repository:tag``."""
    verify = ["--dest-tls-verify=false"] if insecure else []
    words = ["copy", "--all", *(["--preserve-digests"] if exact else []), *verify]
    # By its name alone: what follows a colon would be taken for the tag.
    source, to = f"oci:{layout.name}:{tag}", f"docker://{repository}:{tag}"
    return command("skopeo", *words, source, to, cwd=layout.parent, timeout_s=_HOURS_S)


def push_papers(layout: Path, tag: str, repository: str, *, insecure: bool = False) -> bool:
    """Copy an index of referrers. False where this skopeo left their ``artifactType`` out of the index.

    1.9 does not know the field, and will not copy the index as it is; what it lists keeps its digests either
    way. Raises ToolError.
    """
    what = f"what goes with {tag[:19]}… was not pushed to {repository}"
    try:
        carry_out(push(layout, tag, repository, insecure=insecure), what)
    except ToolError as error:
        if "must be converted" not in error.detail:
            raise
        carry_out(push(layout, tag, repository, insecure=insecure, exact=False), what)
        return False
    return True


def raw(reference: str, *, insecure: bool = False) -> bytes | None:
    """The manifest or index that a registry has by this name, as it serves it; None where it has none.

    Raises ToolError where that cannot be told.
    """
    verify = ["--tls-verify=false"] if insecure else []
    cmd = command("skopeo", "inspect", "--raw", *verify, f"docker://{reference}", timeout_s=_HOURS_S)
    there = shutil.which(cmd.argv[0])
    done = run(cmd) if there else None
    if done is not None and done.ok:
        return done.stdout
    if done is not None and re.search(_UNKNOWN, done.stderr.decode("utf-8", "replace"), re.IGNORECASE):
        return None
    carry_out(cmd, f"{reference} was not read")
    return None


def pull_all(reference: str, layout: Path, tag: str, *, insecure: bool = False) -> Command:
    """Copy what a registry has by this name into a layout, of all platforms, as ``tag``."""
    verify = ["--src-tls-verify=false"] if insecure else []
    to = f"oci:{layout.name}:{tag}"
    words = ["copy", "--all", *verify, f"docker://{reference}", to]
    return command("skopeo", *words, cwd=layout.parent, timeout_s=_HOURS_S)


def pull(reference: str, platform: Mapping[str, str], layout: Path, *, insecure: bool = False) -> Command:
    """Copy one platform's image of a registry into a layout, as ``base``."""
    verify = ["--src-tls-verify=false"] if insecure else []
    wanted = [f"--override-{'arch' if key == 'architecture' else key}={platform[key]}" for key in platform]
    words = [*wanted, "copy", *verify, f"docker://{reference}", f"oci:{layout.name}:base"]
    return command("skopeo", *words, cwd=layout.parent, timeout_s=_HOURS_S)


def carry_out(cmd: Command, what: str) -> None:
    """Raises ToolError, with what skopeo said and what that means."""
    if shutil.which(cmd.argv[0]) is None:
        raise ToolError(
            "skopeo is not on this host",
            why="it is what edgepack pushes with",
            fix="install it (apt install skopeo, brew install skopeo); or push the layout with another tool",
        )
    done = run(cmd)
    if done.ok:
        return
    said = done.stderr.decode("utf-8", "replace").strip()[-2000:]
    last = next((line for line in reversed(said.splitlines()) if "level=fatal" in line), said)
    why, fix = next(
        ((why, fix) for pattern, why, fix in _MEANS if re.search(pattern, last, re.IGNORECASE)), ("", "")
    )
    raise ToolError(what, where=" ".join(cmd.argv), why=why or "skopeo says so below", fix=fix, detail=last)
