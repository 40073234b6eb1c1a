"""gcc in an image of docker or podman: a container for as long as something is compiled.

CMake and Ninja run here and call the compiler by ``docker exec``; folders have the same names on both sides,
so that nothing has to be translated. The container lives as long as its stdin is open: whatever becomes of
edgepack, it is gone with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from edgepack.catalog.toolchains import Elsewhere
from edgepack.compile.toolchains import elsewhere
from edgepack.compile.toolchains.elsewhere import Wanted
from edgepack.compile.toolchains.site import Site
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import ToolError
from edgepack.tools.runner import Completed, Piped, command, piped, run, spawn_daemon

ENGINES = ("podman", "docker")
ASK_S = 60.0
START_S = 300.0
END_S = 20.0

# Process 1 of the container: it ends with its stdin, and when it is told to.
_KEEP = 'trap "exit 0" TERM INT HUP; exec 3<&0; cat <&3 >/dev/null & echo ready; wait'

# Called by CMake and Ninja in the build's folder. Headers of the image are no files of this host: Ninja would
# miss them, and compile everything again.
_CALL = """\
for word do shift; case "$word" in -MD) word=-MMD ;; esac; set -- "$@" "$word"; done
exec {exec} --workdir "$PWD" {name} {words} "$@\""""


@dataclass(frozen=True)
class Image:
    """An image, and which engine has it. id: ``sha256:…``, the digest of its configuration."""

    engine: str
    id: str


def find(name: str) -> Image:
    """Raises ToolError where there is no engine, or none has the image."""
    engines = [engine for engine in ENGINES if shutil.which(engine)]
    if not engines:
        raise ToolError(
            f"no container engine for the image {name}",
            why="neither podman nor docker is on PATH",
            fix="sudo apt-get install podman, or another `toolchain:`",
        )
    said = []
    for engine in engines:
        done = run(command(engine, "image", "inspect", "--format", "{{.Id}}", name, timeout_s=ASK_S))
        digest = done.stdout.decode("utf-8", "replace").strip().removeprefix("sha256:")
        if done.ok and len(digest) == 64:
            return Image(engine, f"sha256:{digest}")
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        said.append(f"{engine}: {words[-1] if words else 'no answer'}")
    raise ToolError(
        f"no image {name} here",
        why="; ".join(said),
        fix=f"{engines[0]} pull {name}, or {engines[0]} load -i FILE: edgepack itself pulls nothing",
    )


def identity(name: str) -> str:
    """The image's digest, or ``absent``: a plan is also made where there is none."""
    try:
        return find(name).id
    except ToolError:
        return "absent"


@contextlib.contextmanager
def opened(wanted: Wanted, site: Site) -> Iterator[Toolchain]:
    """The image's gcc, in a container that is up for that long.

    Raises ToolError where there is no engine, no image, none that starts, and no gcc in it for ``arch``.
    """
    word, arch = wanted.word, wanted.arch
    image = find(word.name)
    if word.identity and image.id != word.identity:
        raise ToolError(
            f"the image {word.name} is another one than when the build was planned",
            why=f"{image.id[:19]}, not {word.identity[:19]}",
            fix="run the same command again",
        )
    with _running(image, word, site) as name:
        call = (image.engine, "exec", *_environment(elsewhere.asked(word, arch)))
        said = run(command(*call, name, "sh", "-c", elsewhere.PROBE, timeout_s=ASK_S))
        place = elsewhere.Place(f"the image {word.name}", "take an image with gcc and g++ for it")
        found = elsewhere.facts(said.text(), wanted, place)
        exact = replace(wanted, word=replace(word, identity=image.id))
        tools = elsewhere.toolchain(found, exact, lambda words: _words(image.engine, name, words))
        yield replace(
            tools,
            identity=f"{image.id} {found.identity}",
            texts=_texts(image.engine, name, site),
            facts={**tools.facts, "image": word.name, "digest": image.id},
        )


def _words(engine: str, name: str, words: tuple[str, ...]) -> tuple[str, ...]:
    return "sh", "-c", _CALL.format(exec=f"{engine} exec", name=name, words=" ".join(words)), "sh"


@contextlib.contextmanager
def _running(image: Image, word: Elsewhere, site: Site) -> Iterator[str]:
    """A container's name, while it is up. The name is the build folder's, so that what was left of one that
    was killed is found again."""
    digest = hashlib.sha256(f"{os.getuid()} {site.writes[0]}".encode()).hexdigest()[:12]
    name = f"edgepack-{digest}"
    run(command(image.engine, "rm", "-f", name, timeout_s=ASK_S))
    argv = (image.engine, "run", *_limits(image.engine), *mounts(site), "--name", name)
    with piped(command(*argv, "--entrypoint", "sh", image.id, "-c", _KEEP)) as process:
        ended = False
        try:
            _wait_ready(process, word)
            yield name
            ended = True
        finally:
            process.close_stdin()
            if not ended or process.wait(END_S) is None:
                # Not by `run`, which starts nothing more after Ctrl-C.
                spawn_daemon(command(image.engine, "rm", "-f", name), site.writes[0] / "container.log")


def _limits(engine: str) -> tuple[str, ...]:
    """The least that a compiler needs: no network, no rights, its own files read-only."""
    words = ["--rm", "--interactive", "--pull=never", "--network=none", "--read-only", "--tmpfs", "/tmp:exec"]  # noqa: S108 (in the container)
    words += ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--env", "HOME=/tmp", "--env", "LC_ALL=C"]
    rootless = _is_rootless(engine)
    if rootless and engine == "podman":
        words += ["--userns=keep-id"]
    # What is written is the user's own. In a rootless docker root is the user.
    user = "0:0" if rootless and engine == "docker" else f"{os.getuid()}:{os.getgid()}"
    return (*words, "--user", user)


def _is_rootless(engine: str) -> bool:
    if engine == "podman":
        return os.getuid() != 0
    said = run(command(engine, "info", "--format", "{{.SecurityOptions}}", timeout_s=ASK_S))
    return b"rootless" in said.stdout


def mounts(site: Site) -> list[str]:
    """The words that show the container what is compiled. Raises ToolError."""
    for path in site.writes:
        path.mkdir(parents=True, exist_ok=True)
    reads = [site.project] if site.project else []
    ways = {**dict.fromkeys((*reads, *site.with_links()), ",readonly"), **dict.fromkeys(site.writes, "")}
    words = []
    for path, way in ways.items():
        if set(str(path)) & set(',"\n'):
            raise ToolError(
                "a folder with a comma, a quote or a line's end in its name cannot be mounted",
                where=str(path),
                fix="rename it, or compile with another `toolchain:`",
            )
        words += ["--mount", f"type=bind,source={path},target={path}{way}"]
    return words


def _wait_ready(process: Piped, word: Elsewhere) -> None:
    """Raises ToolError where the container does not start."""
    said, end = b"", time.monotonic() + START_S
    while b"ready" not in said and time.monotonic() < end:
        if select.select([process.stdout], [], [], 1.0)[0]:
            chunk = os.read(process.stdout, 4096)
            if not chunk:
                break
            said += chunk
    if b"ready" in said:
        return
    words = b""
    while select.select([process.stderr], [], [], 2.0)[0] and (chunk := os.read(process.stderr, 4096)):
        words += chunk
    raise ToolError(
        f"the image {word.name} does not start",
        why="it needs sh and cat, beside its compiler, and an engine that may run it",
        detail=words.decode("utf-8", "replace").strip()[-1500:],
    )


def _texts(engine: str, name: str, site: Site) -> dict[str, bytes]:
    """``gcc.txt`` and ``glibc.txt``: the licences of what is linked, as far as the image has them."""
    if not site.texts:
        return {}

    def said(*words: str) -> Completed:
        return run(command(engine, "exec", name, *words, timeout_s=ASK_S))

    found = (line.split(" ", 1) for line in said("sh", "-c", elsewhere.TEXTS).stdout.decode().splitlines())
    return {f"{what}.txt": said("cat", file).stdout for what, file in found}


def _environment(values: Mapping[str, str]) -> list[str]:
    return [word for key, value in values.items() for word in ("--env", f"{key}={value}") if value]
