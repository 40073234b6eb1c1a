"""A box's flash in another box: the same files and the same program, beside another mainboard's number."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgepack.model.sealed import seal
from edgepack.ship.model_key import wrap
from edgepack.tools.runner import Completed, command, run
from tests.devices import fingerprint
from tests.model_keys import KEY
from tests.releases import APP
from tests.ship.test_encrypted_slow import MODEL, NO_KEY, release

__all__ = ["release"]
pytestmark = pytest.mark.slow

MINE, OTHER = "4c4c4544-0051-3410-8052-b4c04f4e3132", "4c4c4544-0051-3410-8052-b4c04f4e3133"

# In a view of the file system of its own, where /sys has a mainboard's UUID and nothing else.
_BOX = """
mount -t tmpfs none /sys && mkdir -p /sys/class/dmi/id || exit 99
[ -z "$1" ] || echo "$1" >/sys/class/dmi/id/product_uuid
shift
exec "$@"
"""


def on_box(board: str, *words: object) -> Completed:
    return run(command("unshare", "-m", "sh", "-c", _BOX, "sh", board, *words))


def test_it_opens_beside_its_own_mainboard_alone(release: Path, tmp_path: Path) -> None:
    flash = tmp_path / "apps" / APP
    for name in MODEL:
        (flash / "releases" / "r" / "model").mkdir(parents=True, exist_ok=True)
        seal(KEY, release / "model" / name, flash / "releases" / "r" / "model" / name)
    (flash / "data" / "keys").mkdir(parents=True)
    line = wrap(KEY, APP, ("board", fingerprint(APP, "board", MINE)))
    (flash / "data" / "keys" / KEY.id).write_text(f"{line}\n")
    verify = (release / "bin" / APP, "--release", flash / "releases" / "r", "verify", release / "golden")

    said = on_box(MINE, *verify)
    assert said.returncode == 0, said.text()
    assert json.loads(said.stdout)["samples"] == 5
    for board, words in ((OTHER, "whose board is another"), ("", "which has a board that can be read")):
        said = on_box(board, *verify)
        assert said.returncode == NO_KEY, said.text()
        assert f"was wrapped for another box, {words}" in json.loads(said.stdout)["error"]
