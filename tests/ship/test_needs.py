from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edgepack.box.errors import PreflightError
from edgepack.box.facts import Facts, Version
from edgepack.bundle import Bundle
from edgepack.catalog import recipes, targets
from edgepack.catalog.runtimes import LINKED
from edgepack.ship import needs, notes, preflight, ranges
from tests.releases import Program, bundle
from tests.ship.test_preflight import GOOD

RKNN = {
    "compatible": {"value": ["rockchip,rk3588", "rockchip,rk3588s"], "source": "Linux"},
    "runtime": {
        "name": "rknn",
        "versions": ">=2.5,<3",
        "source": "measured",
        "recipe": "onnx-rknn",
        "tool": "rknn-toolkit2 2.5.0",
    },
    "versions": {
        "value": [{"rknn-toolkit2": "2.5.0", "librknnrt": "2.5 or newer, below 3"}],
        "source": "measured",
    },
}
JETSON = {
    "compatible": {"value": ["nvidia,tegra234"], "source": "Linux"},
    "runtime": {**RKNN["runtime"], "name": "tensorrt", "versions": ">=8,<11", "recipe": "onnx-tensorrt"},
    "versions": {
        "value": [
            {"jetpack": "6.1 and 6.2", "l4t": "36.4", "cuda": "12.6", "tensorrt": "10.3"},
            {"jetpack": "5.1.2", "l4t": "35.4.1", "cuda": "11.4", "tensorrt": "8.5.2"},
        ],
        "source": "NVIDIA",
    },
}
ROCK = ("radxa,rock-5b", "rockchip,rk3588")
ORIN = ("nvidia,p3768-0000+p3767-0005", "nvidia,tegra234")


def box(soc: tuple[str, ...] = (), kernel: str = "Linux 6.1", **versions: str) -> Facts:
    seen = {name.replace("_", "-"): Version(value, f"/the/{name}") for name, value in versions.items()}
    return dataclasses.replace(GOOD, soc=soc, kernel=kernel, versions=seen)


def verdicts(asked: object, facts: Facts) -> list[str]:
    return [f"{one.verdict}: {one.what}" for one in needs.compare({"needs": asked}, facts, "rk3588")]


KERNEL = {"kernel": {"value": "Linux 5.10", "source": "Debian"}}
ODD = {"runtime": 1, "versions": {"value": [1, {"l4t": {}}]}, "compatible": {"value": 7}, "kernel": []}
OLD = box(ROCK, librknnrt="1.5.2")
OTHER_CHIP = box(("radxa,rock3a", "rockchip,rk3568"), librknnrt="2.5.0")
NEWER = box(ORIN, l4t="38.2", cuda="13.0", tensorrt="11.0")
BETWEEN = box(ORIN, l4t="36.3.0", cuda="12.6", tensorrt="10.3")


@pytest.mark.parametrize(
    ("asked", "facts", "expected"),
    [
        (RKNN, box(ROCK, librknnrt="2.5.0"), []),
        (RKNN, OLD, ["wrong: the bundle needs librknnrt >=2.5,<3", "wrong: rk3588 is known with librknnrt"]),
        (RKNN, box(ROCK), ["unknown: librknnrt (>=2.5,<3 is needed)", "unknown: librknnrt (2.5 or newer"]),
        (
            RKNN,
            OTHER_CHIP,
            ["wrong: the bundle is for rk3588 (rockchip,rk3588 or rockchip,rk3588s in the dev"],
        ),
        (RKNN, box(librknnrt="2.9"), ["unknown: the chip (rockchip,rk3588 or rockchip,rk3588s)"]),
        (JETSON, box(ORIN, l4t="36.4.3", cuda="12.6.11", tensorrt="10.3.0.30"), []),
        (JETSON, box(ORIN, l4t="35.4.1", cuda="11.4.315", tensorrt="8.5.2.2"), []),
        (JETSON, BETWEEN, ["other: rk3588 is known with l4t 36.4 or 35.4.1"]),
        (JETSON, NEWER, ["wrong: the bundle needs tensorrt", *["wrong: rk3588 is known"] * 3]),
        (JETSON, box(ORIN), [f"unknown: {name}" for name in ("tensorrt", "l4t", "cuda", "tensorrt")]),
        # A program for a processor may run on a newer one: told, not refused.
        ({"compatible": RKNN["compatible"]}, OTHER_CHIP, ["other: the bundle is for rk3588"]),
        (KERNEL, box(kernel="Linux 4.19.94"), ["other: the target's oldest kernel is 5.10"]),
        (KERNEL, box(kernel="Linux 5.10.0-21"), []),
        (None, box(), []),
        ([1], box(), []),
        (ODD, box(l4t="1"), []),
    ],
)
def test_what_is_asked_for_and_what_is_there(asked: Any, facts: Facts, expected: list[str]) -> None:
    found = verdicts(asked, facts)
    assert len(found) == len(expected), found
    assert [line for line, begins in zip(found, expected, strict=True) if not line.startswith(begins)] == []


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    made = bundle(tmp_path_factory.mktemp("bundle") / "b", Program(arch="aarch64"))
    return dataclasses.replace(made, target="rk3588", release={**made.release, "needs": RKNN})


def test_a_refusal_says_both_versions_and_both_ways_out(release: Bundle) -> None:
    with pytest.raises(PreflightError) as caught:
        preflight.check(release, box(ROCK, librknnrt="1.5.2"), "box-07")
    said = f"{caught.value.what} {caught.value.fix}"
    ways = ("install librknnrt", "airockchip/rknn-toolkit2", "pin it in a copy of recipes/onnx-rknn")
    for words in ("librknnrt >=2.5,<3", "rknn-toolkit2 2.5.0", "1.5.2 (/the/librknnrt)", *ways):
        assert words in said, words


def test_what_is_unknown_keeps_nothing_from_the_box_and_is_told(release: Bundle) -> None:
    facts = dataclasses.replace(box(ROCK), clock=None)
    assert preflight.refusals(release, facts) == ()
    (line,) = notes.told(release, facts)
    assert line.startswith("not compared: librknnrt")


def test_a_clock_that_is_off_is_told(release: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.0)
    for clock, words in [(1_700_000_000 - 86400 * 30, "30 days behind"), (1_700_007_300, "2 hours ahead of")]:
        facts = dataclasses.replace(box(ROCK, librknnrt="2.5"), clock=clock)
        assert words in " ".join(notes.told(release, facts))
    assert notes.told(release, dataclasses.replace(box(ROCK, librknnrt="2.5"), clock=1_700_000_060)) == ()


def test_other_apps_are_named(release: Bundle) -> None:
    facts = dataclasses.replace(GOOD, current={"digits": "a" * 64, "gates": "b" * 64})
    assert notes.beside(release, facts) == (
        "beside it on the box: gates (bbbbbbbbbbbb), 512.0 MiB of memory are free",
    )


def test_every_range_that_is_shipped_can_be_read(tmp_path: Path) -> None:
    """Of the runtimes that are the box's own: a typing error here would compare nothing, for ever."""
    for name, recipe in recipes.load_all(None).items():
        loads = recipe.about.loads_on
        if loads and LINKED.get(loads.runtime) == "box":
            assert ranges.read(loads.versions), name
    for name in targets.find(None):
        known = targets.load(name, None).about.facts.known()
        rows = known["versions"].value if "versions" in known else []
        for row in rows:
            wrong = [k for k, text in row.items() if k.lower() in needs._SAID and not ranges.read(str(text))]
            assert wrong == [], name
