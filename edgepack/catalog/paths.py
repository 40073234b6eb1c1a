"""Where the shipped data lies: inside the installed package, or beside it in a source checkout."""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def data(relative: str) -> Path:
    """A shipped file or folder by its path in the repository (``requirements/toolchain.txt``).

    A wheel carries the data in ``edgepack/_data``; an editable install finds it at the root of the
    checkout. Raises FileNotFoundError where it is in neither: a broken installation.
    """
    for base in (_PACKAGE / "_data", _PACKAGE.parent):
        found = base / relative
        if found.exists():
            return found
    raise FileNotFoundError(f"{relative} is not part of this installation of edgepack")


def user_folder() -> Path:
    """The user's own targets, recipes and templates: ``$XDG_CONFIG_HOME/edgepack``."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "edgepack"


def layers(kind: str, project: Path | None) -> list[Path]:
    """Folders that hold ``targets`` (or recipes, templates), the one that wins first."""
    found = [] if project is None else [project / kind]
    found += [user_folder() / kind, data(kind)]
    return [folder for folder in found if folder.is_dir()]


def template(name: str, project: Path | None) -> Path:
    """One template's folder: the project's own, then the user's, then the shipped one."""
    for folder in layers("templates", project):
        if (folder / name).is_dir():
            return folder / name
    raise FileNotFoundError(f"templates/{name} is not part of this installation of edgepack")
