"""Whether `edgepack image` has made what the files name, for the architecture of each box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgepack import oci
from edgepack.containers.app import App
from edgepack.errors import InputError


def missing(dist: Path, apps: Sequence[App]) -> Iterator[str]:
    """A sentence for each image that is not in the project's layout, or is for another platform."""
    known = _known(dist / f"{apps[0].name}.oci") if apps else {}
    told: set[str] = set()
    for app in apps:
        target, platform = app.target.id, oci.PLATFORMS[app.target.arch]
        if app.image in told:
            continue
        told.add(app.image)
        if app.tag not in known:
            yield f"there is no image {app.image} yet: edgepack build {target}; edgepack image {target}"
        elif known[app.tag] != platform:
            has = "/".join(str(word) for word in (known[app.tag] or {"": "no platform"}).values())
            yield f"the image {app.image} is for {has}, not for {app.target.arch}: edgepack image {target}"


def _known(layout: Path) -> dict[str, Any]:
    """Tags of a layout, each with its platform. One that cannot be read has none."""
    index = layout / "index.json"
    try:
        entries = oci.parse_json(oci.read(index, oci.MAX_JSON), str(index)).get("manifests", [])
        return {
            entry["annotations"][oci.REF_KEY]: entry.get("platform")
            for entry in entries
            if oci.is_sha256(entry["digest"].removeprefix("sha256:"))
            and oci.blob(layout, entry["digest"]).is_file()
        }
    except (InputError, OSError, KeyError, TypeError, AttributeError):
        return {}
