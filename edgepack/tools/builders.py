"""Who builds a Dockerfile on this host: docker's buildx, docker itself, buildah, podman. Commands are data.

docker's Python SDK is not among them: it has no BuildKit (docker/docker-py#2230), and the daemon
that it speaks to comes with docker's own program.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgepack.errors import ToolError
from edgepack.tools.runner import Command, command, run, run_lines

BUILDERS = ("buildx", "docker", "buildah", "podman")  # the first that is here is taken
_ASK_S = 60.0
_HOURS_S = 6 * 3600.0
# What their words mean, none of it a contract. What fits none is shown as it is.
_MEANS = (
    (
        r"not the program that edgepack made",
        "the compiler in the builder's image gave another program than edgepack's",
        "export the Dockerfile anew; with `toolchain: gcc` the image needs the same gcc as this host",
    ),
    (
        (
            "(?i)pull access denied|manifest unknown|no such host|initializing source|connection refused"
            "|failed to resolve source|i/o timeout|name resolution|server misbehaving|network is unreachable"
        ),
        "an image or a package cannot be fetched from here",
        "--builder IMAGE, one that is here and has what pip needs (PIP_INDEX_URL, PIP_FIND_LINKS)",
    ),
    (
        r"python3: not found|No module named pip|\"python3\": executable file not found",
        "the builder's image has no Python 3 with pip",
        "--builder IMAGE, one that has",
    ),
)


@dataclass(frozen=True)
class Build:
    """What is built. folder: with a Dockerfile. name: with its tag. target: the folder of its files."""

    folder: Path
    platform: str
    name: str
    target: str
    log: Path


def choose(asked: str | None) -> str:
    """The builder that was asked for, or the first that is here. Raises ToolError with what each says."""
    said = []
    for builder in [asked] if asked else BUILDERS:
        why = _missing(builder)
        if why is None:
            return builder
        said.append(f"{builder}: {why}")
    raise ToolError(
        "nothing here builds a Dockerfile" if asked is None else f"{asked} does not build here",
        why="; ".join(said),
        fix="install docker, buildah or podman (apt install buildah); `edgepack image` needs none of them",
    )


def _missing(builder: str) -> str | None:
    """Why it cannot build; None where it can."""
    program = "docker" if builder == "buildx" else builder
    if shutil.which(program) is None:
        return f"no {program} on PATH"
    asks = {"buildx": ("docker", "buildx", "version"), "docker": ("docker", "version")}
    for words in [asks[one] for one in ("buildx", "docker") if one in (builder, program)]:
        done = run(command(*words, timeout_s=_ASK_S))
        if not done.ok:
            lines = done.text().strip().splitlines()
            return lines[-1] if lines else f"`{' '.join(words)}` fails"
    return None


def build(builder: str, what: Build, here: str) -> Command:
    """The command. here: the platform that builds."""
    words = ["--platform", what.platform, "--build-arg", f"TARGET={what.target}", "-t", what.name]
    if builder == "docker":
        # Its legacy builder has one platform for all stages, and labels an image with its own.
        env = {"DOCKER_BUILDKIT": "1"}
        return command("docker", "build", *words, what.folder, env=env, timeout_s=_HOURS_S)
    if builder == "buildx":
        return command("docker", "buildx", "build", "--load", *words, what.folder, timeout_s=_HOURS_S)
    # They know no platforms before the first stage.
    words += ["--build-arg", f"HERE={here}", "--build-arg", f"THERE={what.platform}"]
    # OCI's own format has no place for a health check.
    return command(builder, "build", "--format", "docker", *words, what.folder, timeout_s=_HOURS_S)


def carry_out(builder: str, what: Build, here: str, progress: Callable[[str], None]) -> None:
    """Build one image into the builder's own store. Raises ToolError with its last words."""
    done = run_lines(build(builder, what, here), progress, log=what.log)
    if done.ok:
        return
    said = done.text().strip()[-3000:]
    why, fix = next(((why, fix) for pattern, why, fix in _MEANS if re.search(pattern, said)), ("", ""))
    raise ToolError(
        f"{builder} did not build {what.name}",
        where=str(what.log),
        why=why or "it says so below",
        fix=fix or "see the log",
        detail="\n".join(said.splitlines()[-12:]),
    )
