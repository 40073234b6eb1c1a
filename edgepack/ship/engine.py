"""docker or podman on a box: which one answers, which layers it has, an archive put together and loaded.

Both are asked by their own programs, in a few lines of shell that are sent each time.
"""

from __future__ import annotations

import io
import re
import shlex
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgepack.box.session import Box
from edgepack.ship.preflight import Refusal

_SILENCE_S = 120.0
_ID = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_DIFF_ID = re.compile(r"sha256:[0-9a-f]{64}")

# Which engine answers this account, every image's layers from the lowest up, and what the name stands for.
# docker first: on a box that has both, it is what the box was set up for.
ASK = """
for engine in docker podman; do
	command -v "$engine" >/dev/null 2>&1 || continue
	if [ "$engine" = docker ]; then
		version=$(docker version -f '{{.Server.Version}}' 2>&1)
	else
		version=$(podman info -f '{{.Version.Version}}' 2>&1)
	fi || {
		printf '%s\\n' "no $engine $(printf '%s\\n' "$version" | tail -n 1 | cut -c 1-300)"
		continue
	}
	printf '%s\\n' "engine $engine $version"
	"$engine" image ls -aq --no-trunc | sort -u |
		xargs -r "$engine" image inspect -f 'image {{.Id}} {{range .RootFS.Layers}}{{.}} {{end}}'
	"$engine" image inspect -f 'named {{.Id}}' "$1" 2>/dev/null
	exit 0
done
exit 0
"""

# ROOT ENGINE, and on stdin a tar of the small files; `wanted` in it lists the blobs. Those are linked out of
# the store, so that nothing which cleans up there comes in between. A folder is named after its process: one
# whose process is gone was left by a cut link.
LOAD = """
for place in "$1"/images/*; do
	[ ! -d "$place" ] || kill -0 "${place##*/}" 2>/dev/null || rm -rf "$place"
done
place=$1/images/$$
trap 'rm -rf "$place"' EXIT
mkdir -p "$place/blobs/sha256" && cd "$place" && tar -xf - || exit 1
while read -r sha; do
	ln "$1/store/$sha" "blobs/sha256/$sha" 2>/dev/null || cp "$1/store/$sha" "blobs/sha256/$sha" || exit 1
done <wanted
while sleep 5 </dev/null >/dev/null 2>&1; do echo .; done &
life=$!
tar -cf - index.json oci-layout manifest.json blobs | "$2" load >said 2>&1
status=$?
kill "$life"
if [ "$status" -eq 0 ]; then
	while read -r sha; do rm -f "$1/store/$sha"; done <wanted
else
	tail -n 5 said >&2
fi
cd / && exit "$status"
"""


@dataclass(frozen=True)
class Layer:
    """A layer, the lowest first. ``diff_id``: of its tar; ``digest``: of its blob. Both ``sha256:…``."""

    kind: str
    diff_id: str
    digest: str
    size: int


@dataclass(frozen=True)
class Engine:
    """What a box's engine says. ``images``: the layers of each; ``named``: the id of what has our name."""

    kind: str
    version: str
    images: tuple[tuple[str, ...], ...] = ()
    named: str = ""

    def known(self, layers: Sequence[Layer]) -> int:
        """How many of these it has, from the lowest up."""
        return max((_alike(image, layers) for image in self.images), default=0)

    def has(self, ids: Sequence[str]) -> bool:
        """Whether the name stands for this very image there.

        ids: ``sha256:…`` of its configuration, as most call it, and of its manifest, as containerd does.
        """
        return self.named in [one.removeprefix("sha256:") for one in ids]


def ask(box: Box, name: str) -> tuple[Engine, tuple[Refusal, ...]]:
    """What answers on a box; with a reason why nothing can be brought where none does.

    name: the image's, with its tag.
    """
    done = box.exec(shlex.join(["sh", "-c", ASK, "sh", name]))
    engine, silent = read(done.stdout.decode("utf-8", "replace"))
    if engine is not None:
        return engine, ()
    why = f": {silent}" if silent else ", and neither is installed"
    return Engine("", ""), (
        Refusal(
            f"no engine answers there, docker or podman{why}",
            "install and start one of them, let the account use it (group docker)",
        ),
    )


def read(said: str) -> tuple[Engine | None, str]:
    """From the lines of a box: the engine, or why those that are installed do not answer."""
    images: list[tuple[str, ...]] = []
    kind = version = named = ""
    silent: list[str] = []
    for line in said.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "engine" and not kind:
            kind, _, version = rest.partition(" ")
        elif word == "no":
            silent.append(rest)
        elif word == "image":
            _, *layers = rest.split()
            images.append(tuple(one for one in layers if _DIFF_ID.fullmatch(one)))
        elif word == "named" and (found := _ID.fullmatch(rest)):
            named = found[1]
    if kind not in ("docker", "podman"):
        return None, "; ".join(silent)
    return Engine(kind, version, tuple(images), named), ""


def load(box: Box, engine: Engine, root: str, texts: Mapping[str, bytes], wanted: Sequence[str]) -> str:
    """Load an archive of these small files and of blobs in the box's store; "" or what the engine said.

    wanted: the blobs' sha256. Once it has them, they are gone from the store.
    """
    out = io.BytesIO()
    listed = "".join(f"{sha}\n" for sha in wanted).encode()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in {**texts, "wanted": listed}.items():
            info = tarfile.TarInfo(name)
            info.mode, info.size = 0o644, len(data)
            tar.addfile(info, io.BytesIO(data))
    command = shlex.join(["sh", "-c", LOAD, "sh", root, engine.kind])
    done = box.exec(command, [out.getvalue()], silence_s=_SILENCE_S)
    said = done.stderr.decode("utf-8", "replace").strip()
    return (said or f"it ended with {done.rc}") if done.rc else ""


def _alike(image: Sequence[str], layers: Sequence[Layer]) -> int:
    count = 0
    for there, ours in zip(image, layers, strict=False):
        if there != ours.diff_id:
            break
        count += 1
    return count
