"""The models of a bundle as they are packaged: encrypted, where edgepack.yaml has `encryption`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgepack.manifest.project import Manifest, Project
from edgepack.model.sealed import seal
from edgepack.model.sealed_key import fetch
from edgepack.package.bundle import Content


def sealed(project: Project, model: Mapping[str, Content], into: Path) -> dict[str, Content]:
    """The files of the model's layer, as ciphertext in the folder ``into``; as they are without `encryption`.

    Raises InputError or ToolError where the key is not to be had.
    """
    said = project.manifest.encryption
    if said is None:
        return dict(model)
    key = fetch(said, project.folder)
    found = {}
    for number, (path, content) in enumerate(sorted(model.items())):
        assert isinstance(content.source, Path)  # what a box makes itself is refused at plan
        file = into / f"{number}.sealed"
        seal(key, content.source, file)
        found[path] = Content(file, content.mode)
    return found


def release(manifest: Manifest) -> dict[str, Any]:
    """What ``release.json`` says of it: the deployer judges a box's key by that."""
    said = manifest.encryption
    return {"encryption": {"key": said.id, "device": said.device}} if said else {}
