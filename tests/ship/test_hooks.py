from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.observe.status import status
from edgepack.ship.deploy import deploy, plan_deploy
from edgepack.ship.errors import UnhealthyError
from edgepack.ship.hooks import HookError, Hooks
from edgepack.ship.rollback import rollback
from tests.box.boxsh import until
from tests.releases import APP, Program, bundle

SAYS = """#!/bin/sh
echo "$EDGEPACK_APP: ${EDGEPACK_CURRENT##*/} to ${EDGEPACK_RELEASE##*/}, in $(pwd)"
printf 'odd \\033[31m line\\n' >&2
echo migrated >>schema
"""


def journal(endpoint: Endpoint, which: str) -> list[str]:
    lines = Path(endpoint.root, "journal").read_text().splitlines()
    return [line.split(" ", 4)[4] for line in lines if line.split()[1] == which]


def test_hooks_run_around_the_switch_and_their_words_are_in_the_journal(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    one = deploy(endpoint, bundle(tmp_path / "1"))
    two = bundle(tmp_path / "2", Program(version="2", hooks={"before-switch": SAYS, "after-switch": SAYS}))
    steps = plan_deploy(endpoint, two).steps
    (switch,) = [n for n, step in enumerate(steps) if step.startswith("switch")]
    assert "hook before-switch, for at most 3 s" in steps[switch - 1]
    assert "hook after-switch" in steps[switch + 1]
    done = deploy(endpoint, two)
    stages = list(done.seconds)
    assert stages[stages.index("before-switch") :] == [
        *("before-switch", "switch", "after-switch", "health", "confirm")
    ]
    data = Path(endpoint.root, "apps", APP, "data")
    assert journal(endpoint, "before-switch") == [
        "begins",
        f"says: {APP}: {one.release} to {done.release}, in {data}",
        "says: odd ?[31m line",
        "ended with 0",
    ]
    assert journal(endpoint, "after-switch")[1] == f"says: {APP}: {done.release} to {done.release}, in {data}"
    assert (data / "schema").read_text() == "migrated\n" * 2
    rollback(endpoint, APP)
    rollback(endpoint, APP)  # to the release that has hooks: they run again
    assert (data / "schema").read_text() == "migrated\n" * 4


@pytest.mark.parametrize("which", ["before-switch", "after-switch"])
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("#!/bin/sh\necho no room for tables\nexit 3\n", "it ended with 3"),
        ("#!/bin/sh\nsleep 600 &\necho $! >child\nwait\n", "it was not done after 3 s"),
        ("#!/no/such/shell\n", "it ended with 127"),
    ],
    ids=["fails", "hangs", "foreign"],
)
def test_a_hook_that_fails_leaves_the_old_release(
    endpoint: Endpoint, tmp_path: Path, which: str, script: str, words: str
) -> None:
    one = bundle(tmp_path / "1", Program(version="1"))
    deploy(endpoint, one)
    before = status(endpoint, APP).pid
    with pytest.raises(HookError) as caught:
        deploy(endpoint, bundle(tmp_path / "2", Program(version="2", hooks={which: script})))
    assert words in caught.value.why
    assert ("nothing was switched" in caught.value.why) == (which == "before-switch")
    if "tables" in script:
        assert caught.value.detail == "no room for tables"
    assert until(lambda: status(endpoint, APP).running and status(endpoint, APP).version == "1")
    assert (status(endpoint, APP).pid == before) == (which == "before-switch")
    child = Path(endpoint.root, "apps", APP, "data", "child")
    if child.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(child.read_text()), 0)
    releases = Path(endpoint.root, "apps", APP, "releases")
    assert [p.name for p in releases.iterdir() if p.suffix != ".list"] == [one.digest[7:]]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(None, (0, 0)), ({"before-switch": 5}, (5, 0)), ({"after-switch": -1, "x": 2}, (0, 60)), ([], (0, 0))],
)
def test_what_a_release_says_of_them(said: object, seconds: tuple[int, int]) -> None:
    hooks = Hooks.of({"hooks": said})
    assert (hooks.before, hooks.after) == seconds


def test_a_probe_of_ones_own_is_asked_until_it_says_yes(endpoint: Endpoint, tmp_path: Path) -> None:
    third = '#!/bin/sh\necho x >>asked\n[ "$(wc -l <asked)" -ge 3 ]\n'
    one = bundle(tmp_path / "1", Program(hooks={"healthy": third}))
    assert "ask the release's own probe" in plan_deploy(endpoint, one).steps
    deploy(endpoint, one)
    assert [line for line in journal(endpoint, "healthy") if line != "begins"] == [
        *("ended with 1", "ended with 1", "ended with 0")
    ]


def test_a_probe_that_never_says_yes_has_the_box_go_back(endpoint: Endpoint, tmp_path: Path) -> None:
    deploy(endpoint, bundle(tmp_path / "1"))
    never = Program(
        "2.0.0",
        hooks={"healthy": "#!/bin/sh\necho the camera is dark\nexit 1\n"},
        health={"timeout": 4, "min_fps": 0},
    )
    with pytest.raises(UnhealthyError, match="own probe does not find it healthy") as caught:
        deploy(endpoint, bundle(tmp_path / "2", never))
    assert caught.value.detail == "the camera is dark"
    assert until(lambda: status(endpoint, APP).running and status(endpoint, APP).version == "1.0.0")
