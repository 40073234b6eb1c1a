from __future__ import annotations

import pytest

from edgepack.ship import ranges


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=2.5,<3", ["2.5", "2.5.0", "2.10.1"], ["2.4.9", "3", "3.0.0", "1.5.2"]),
        ("==2.10", ["2.10", "2.10.3"], ["2.1", "2.11"]),
        ("2.5 or newer, below 3", ["2.5.0", "2.9"], ["2.4", "3.1"]),
        ("0.4.6 or newer", ["0.4.6", "0.5"], ["0.4.5"]),
        ("12.0 to 12.6", ["12.0.1", "12.6.11"], ["11.8", "12.7"]),
        ("36.4", ["36.4", "36.4.3"], ["36.3", "36.41", "35.4.1"]),
        ("6.1 and 6.2", ["6.1", "6.2.1"], ["6.0"]),
        ("11.8, 12.4", ["11.8.0", "12.4.1"], ["12.3"]),
        (">=5", ["8.0.RC3", "5.0.2.alpha003"], ["3.3.0"]),
        ("6.4.4.3", ["6.4.4.3"], ["6.4.4", "6.4.6.2"]),
    ],
)
def test_what_people_write_of_versions(text: str, inside: list[str], outside: list[str]) -> None:
    found = ranges.read(text)
    assert found is not None
    assert [version for version in inside if not found.fits(version)] == []
    assert [version for version in outside if found.fits(version)] == []


@pytest.mark.parametrize("text", ["of the same version", "gcc-linaro 6.2.1-2016.11", "", "None", ">=", "~=2"])
def test_words_for_people_are_no_range(text: str) -> None:
    assert ranges.read(text) is None


def test_another_release_of_a_known_generation() -> None:
    found = ranges.read("36.4")
    assert found is not None
    assert found.same_generation("36.3.0")
    assert not found.same_generation("35.4.1")
    declared = ranges.read(">=36")
    assert declared is not None
    assert not declared.same_generation("36.3")  # a range says what does not fit
