"""Which nodes are meant, by names, globs and what is known of them."""

from __future__ import annotations

import pytest

from edgepack.errors import InputError
from edgepack.manifest.selection import select

FLEET = {
    "box-01": {"name": "box-01", "site": "berlin", "target": "rk3588", "camera": "axis"},
    "box-02": {"name": "box-02", "site": "berlin", "target": "x86_64"},
    "box-13": {"name": "box-13", "site": "bern", "target": "rk3588", "camera": "hik"},
    "gate": {"name": "gate", "site": "", "target": "rk3588"},
}


@pytest.mark.parametrize(
    ("words", "exclude", "names"),
    [
        ("", "", "box-01 box-02 box-13 gate"),
        ("gate box-01", "", "box-01 gate"),
        ("box-*", "box-13", "box-01 box-02"),
        ("site=berlin,target=rk3588", "", "box-01"),
        ("site=b*", "camera=hik", "box-01 box-02"),
        ("camera!=axis", "", "box-02 box-13 gate"),
        ("box-0[12],target=x86_64", "", "box-02"),
        ("site=", "", "gate"),
        ("target=x86_64 camera=hik", "", "box-02 box-13"),
        ("", "site=berlin", "box-13 gate"),
    ],
)
def test_it_means_these(words: str, exclude: str, names: str) -> None:
    assert select(words.split(), exclude.split(), FLEET) == names.split()


@pytest.mark.parametrize(
    ("words", "exclude", "what", "why"),
    [
        ("box-1", "", "there is no node `box-1`", "did you mean `box-13`?"),
        ("", "gat", "there is no node `gat`", "did you mean `gate`?"),
        ("sit=berlin", "", "no node says anything of `sit`", "did you mean `site`?"),
        ("site=berln", "", "no node is meant by site=berln", "`site` is: berlin, bern"),
        ("box-0*", "site=berlin", "no node is meant by box-0* without site=berlin", "no single node"),
        ("site=berlin,camera=hik", "", "no node is meant by", "no single node is all of that"),
        ("site=berlin,", "", "`site=berlin,` selects no nodes", "nothing stands beside a comma"),
        ("=berlin", "", "`=berlin` selects no nodes", "neither a name nor KEY=VALUE"),
    ],
)
def test_what_means_none_is_told_with_what_is_near(words: str, exclude: str, what: str, why: str) -> None:
    with pytest.raises(InputError) as caught:
        select(words.split(), exclude.split(), FLEET)
    assert what in caught.value.what
    assert why in f"{caught.value.why}"
