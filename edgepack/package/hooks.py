"""A release's scripts around the switch: the project's own, and the one that asks a program's `/healthz`."""

from __future__ import annotations

from edgepack.manifest.project import Manifest, Project
from edgepack.package.bundle import Content
from edgepack.package.errors import PackageError

_HEALTHY, _OWN = "healthy", "healthy-own"
_ASKING_S = 10  # connecting and the answer, each of which may take 5 s (metrics.cpp)
# Written for the least shell there is. Only a sandbox sets EDGEPACK_EMULATOR.
_ASKS = """\
#!/bin/sh
# Written by edgepack for `health.metrics` in edgepack.yaml: the program's /healthz must say that all is well.
set -- "$EDGEPACK_RELEASE/bin/{name}" health --metrics --data "$EDGEPACK_DATA"
[ -z "${{EDGEPACK_EMULATOR:-}}" ] || set -- "$EDGEPACK_EMULATOR" "$@"
"""


def files(project: Project) -> dict[str, Content]:
    """Path in the bundle → content. Raises PackageError where one is no script."""
    manifest = project.manifest
    own = manifest.hooks.named()
    made = {f"hooks/{name}": _script(project, hook.file) for name, hook in own.items()}
    if not manifest.health.metrics:
        return made
    asks = _ASKS.format(name=manifest.name)
    if _HEALTHY in own:
        made[f"hooks/{_OWN}"] = made[f"hooks/{_HEALTHY}"]
        asks += f'"$@" || exit\nexec "${{0%/*}}/{_OWN}"\n'
    else:
        asks += 'exec "$@"\n'
    return {**made, f"hooks/{_HEALTHY}": Content(asks.encode(), 0o755)}


def seconds(manifest: Manifest) -> dict[str, int]:
    """Name of each hook → how long it may take."""
    found = {name: hook.timeout for name, hook in manifest.hooks.named().items()}
    if manifest.health.metrics:
        found[_HEALTHY] = found.get(_HEALTHY, 0) + _ASKING_S
    return found


def _script(project: Project, file: str) -> Content:
    content = project.file(file).read_bytes()
    if not content.startswith(b"#!"):
        raise PackageError(
            f"{file} is no script that a box can start",
            where="hooks in edgepack.yaml",
            why="it does not begin with `#!`",
            fix="begin it with `#!/bin/sh`",
        )
    return Content(content, 0o755)
