"""Where the sources that symbols name lie here. The build gives its folders names of their own."""

from __future__ import annotations

from pathlib import Path


def of(project: Path, target: str | None = None) -> dict[str, Path]:
    """Names as ``compile/program.py`` and the toolchain's CMake file give them → folders of this host.

    The generated program is of the last build of that target; without one, the user's own files alone.
    """
    made = sorted((project / ".edgepack" / "build").glob(f"{target or '*'}-*/program"))
    last = max(made, key=lambda path: path.stat().st_mtime, default=None)
    return {"/user": project, **({"/project": last} if last else {})}
