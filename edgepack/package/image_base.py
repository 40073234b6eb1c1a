"""What lies below a release in an image: nothing, a small libc, or somebody's image in an OCI layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgepack.bundle import Bundle
from edgepack.package.errors import PackageError
from edgepack.package.image_layers import ImageLayer, add, take

NONE = "none"


@dataclass(frozen=True)
class BaseLayer:
    """A layer of a base: a blob in a layout, or a tar's bytes."""

    layer: ImageLayer
    source: Path | bytes


@dataclass(frozen=True)
class Base:
    """What lies below. ``foreign``: edgepack did not make it, and where its folders lie is its own affair.

    told: for people; name, digest: for OCI's annotations on bases, "" where there is nothing to name.
    """

    told: str
    layers: tuple[BaseLayer, ...] = ()
    foreign: bool = False
    env: tuple[str, ...] = ()
    name: str = ""
    digest: str = ""


EMPTY = Base(NONE)


def lay(base: Base, dest: Path) -> Iterator[ImageLayer]:
    """Put a base's layers into the layout of an image."""
    for one in base.layers:
        if isinstance(one.source, bytes):
            add(dest, [one.source])
        else:
            take(one.source, dest, one.layer.digest, one.layer.size)
        yield one.layer


def static(bundle: Bundle) -> bool:
    """Whether a bundle's program needs nothing of the system that it starts on."""
    return str(bundle.release.get("libc") or "static") == "static"


def choose(bundle: Bundle, asked: str | None) -> Base:
    """The base for a bundle. Raises PackageError where what was asked for cannot start its program."""
    wanted = asked or NONE
    if wanted == NONE:
        if static(bundle):
            return EMPTY
        raise PackageError(
            f"the program for {bundle.target} needs a base",
            why=f"it is linked to {bundle.release.get('libc')}, and an image without a base has none",
            fix="--base libc, --base oci:FOLDER",
        )
    raise PackageError(f"there is no base called {wanted}")
