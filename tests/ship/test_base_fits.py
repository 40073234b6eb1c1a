"""A maker's image against a box and a bundle: what the image says of itself, by the targets' own facts."""

from __future__ import annotations

from typing import Any

import pytest

from edgepack.box.facts import Version
from edgepack.catalog import targets
from edgepack.errors import InputError
from edgepack.ship import base_fits
from edgepack.ship.base_fits import Image

JETSON, ATLAS = "jetson-orin-nano", "atlas-200i-dk-a2"
ACL = {"needs": {"runtime": {"name": "acl", "versions": ">=8,<9", "tool": "atc"}}}


def said(image: Image, target: str) -> dict[str, base_fits.Said]:
    fact = targets.load(target, None).about.facts.known()["base_says"]
    assert fact.source
    return base_fits.read(image, fact.value, target)


def labelled(**versions: str) -> Image:
    return Image("ours:1", labels={f"dev.edgepack.base.{name}": value for name, value in versions.items()})


@pytest.mark.parametrize(
    ("image", "target", "name", "value"),
    [
        (Image("registry.example/nvidia/l4t-jetpack:r35.4.1"), JETSON, "l4t", "35.4.1"),
        (Image("l4t-tensorrt:r8.5.2-runtime", env=("L4T_VERSION=r36.2.0",)), JETSON, "l4t", "36.2.0"),
        (Image("ubuntu:22.04", env=("PATH=/bin", "L4T_VERSION=36.4.0")), JETSON, "l4t", "36.4.0"),
        (Image("quay.example/ascend/cann:8.1.rc1-310p-ubuntu22.04-py3.11"), ATLAS, "cann", "8.1.rc1"),
        (Image("cann:latest", env=("CANN_VERSION=7.0.RC1.alpha003",)), ATLAS, "cann", "7.0.RC1.alpha003"),
        (labelled(libsophon="0.4.6"), ATLAS, "libsophon", "0.4.6"),
        (Image("l4t-base:r32.7.1", labels={"dev.edgepack.base.l4t": "35.1"}), JETSON, "l4t", "35.1"),
    ],
)
def test_what_an_image_says_of_itself(image: Image, target: str, name: str, value: str) -> None:
    assert said(image, target)[name].value == value


@pytest.mark.parametrize(
    "name", ["ubuntu:22.04", "l4t-jetpack:latest", "l4t-tensorrt:r8.5.2-runtime", "xl4t-base:r35.1", "cann"]
)
def test_one_that_says_nothing_is_not_guessed_at(name: str) -> None:
    assert said(Image(name), JETSON) == {}


@pytest.mark.parametrize(
    ("base", "box", "fits"),
    [
        ("r35.4.1", "35.3.1", True),  # JetPack 5.1 runs containers of any 5.1
        ("r36.2.0", "36.3.0", True),
        ("r36.2.0", "36.4.3", False),
        ("r36.4.0", "36.4.3", True),
        ("r35.4.1", "36.4.3", False),
        ("r32.7.1", "32.7.4", True),
        ("r32.6.1", "32.7.4", False),
        ("r32.6.1", "32.6.1", True),
    ],
)
def test_an_l4t_image_on_a_box_of_another_l4t(base: str, box: str, fits: bool) -> None:
    image = Image(f"nvidia/l4t-jetpack:{base}")
    versions = {"l4t": Version(box, "/etc/nv_tegra_release")}
    refused, unknown = base_fits.of_box(said(image, JETSON), versions, image)
    assert (not refused, unknown) == (fits, ())
    for one in refused:
        assert all(words in one.what for words in (base[1:], box, "/etc/nv_tegra_release"))


@pytest.mark.parametrize(
    ("name", "base", "box", "fits"),
    [
        ("libsophon", "0.4.6", "0.4.9", True),
        ("libsophon", "0.5.0", "0.4.9", False),
        ("cann", "8.0.RC1", "7.0.0", False),
    ],
)
def test_where_no_source_says_more_two_numbers_must_agree(name: str, base: str, box: str, fits: bool) -> None:
    image = labelled(**{name: base})
    refused, _ = base_fits.of_box(said(image, ATLAS), {name: Version(box, "/opt")}, image)
    assert (not refused) == fits


def test_what_a_box_does_not_say_is_told_and_not_refused() -> None:
    image = labelled(cann="8.0")
    refused, unknown = base_fits.of_box(said(image, ATLAS), {}, image)
    assert (refused, len(unknown)) == ((), 1)


@pytest.mark.parametrize(("has", "wrong"), [("7.0.0", 1), ("8.1.0", 0)])
def test_a_base_whose_runtime_the_model_was_not_made_for(has: str, wrong: int) -> None:
    image = labelled(cann=has)
    refused = base_fits.of_bundle(said(image, ATLAS), ACL, image)
    assert len(refused) == wrong
    assert all(f"needs cann >=8,<9, and the base ours:1 has {has}" in one.what for one in refused)


@pytest.mark.parametrize("fact", [{"l4t": "36"}, {"l4t": {"read": "x"}}, {"l4t": {"read": ["dream of"]}}])
def test_a_fact_that_is_none_is_told(fact: Any) -> None:
    with pytest.raises(InputError, match=r"base_says|neither of"):
        base_fits.read(Image("ubuntu:22.04"), fact, "mine")
