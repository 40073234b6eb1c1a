"""Whether a base fits the bundle and the boxes it is for, before anything is written or pushed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgepack.cli.nodes import Found
    from edgepack.cli.screen import Screen
    from edgepack.package.image import ImageSpec, Part
    from edgepack.ship.base_fits import Image, Said
    from edgepack.ship.preflight import Refusal


def check(spec: ImageSpec, folder: Path, found: Sequence[Found], screen: Screen) -> None:
    """Raises PreflightError where a base is of another version than its bundle or a box needs."""
    from edgepack.ship import base_fits

    for part in spec.parts:
        if not part.base.foreign:
            continue
        image, said = _says(part, folder)
        target = part.bundle.target
        _judge(base_fits.of_bundle(said, part.bundle.release, image), target)
        boxes = [node for node in found if node.target == target]
        if boxes and not said:
            screen.remark(
                f"the base {image.name} does not say of which versions it is, so nothing was compared with "
                f"{', '.join(node.name for node in boxes)}: a label says it, {base_fits.LABEL}l4t or …cann"
            )
        for node in boxes if said else ():
            _compare(node, image, said, screen)


def _says(part: Part, folder: Path) -> tuple[Image, Mapping[str, Said]]:
    from edgepack.catalog import targets
    from edgepack.ship import base_fits

    base = part.base
    image = base_fits.Image(base.name or base.told.replace("@", ":"), base.env, base.labels)
    target = part.bundle.target
    known = targets.load(target, folder).about.facts.known() if target in targets.find(folder) else {}
    fact = known["base_says"].value if "base_says" in known else None
    return image, base_fits.read(image, fact, target)


def _compare(node: Found, image: Image, said: Mapping[str, Said], screen: Screen) -> None:
    from edgepack.box.facts import probe
    from edgepack.box.session import Box
    from edgepack.ship import base_fits

    with node.blamed():
        with Box(node.endpoint) as box:
            facts = probe(box, None)
        refused, unknown = base_fits.of_box(said, facts.versions, image)
        for sentence in unknown:
            screen.remark(f"{node.name}: {sentence}")
        _judge(refused, node.endpoint.where)


def _judge(reasons: Sequence[Refusal], where: str) -> None:
    from edgepack.box.errors import PreflightError

    if reasons:
        raise PreflightError(
            reasons[0].what,
            where=where,
            why="nothing was written, pushed or changed",
            fix=reasons[0].fix,
            detail="\n".join(f"{one.what}\n  → {one.fix}" for one in reasons[1:]),
        )
