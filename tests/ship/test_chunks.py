"""A second laptop ships to a box that another one has shipped to: what the box has is not sent again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edgepack.box.endpoint import Endpoint
from edgepack.ship import chunks
from edgepack.ship.deploy import DeployOptions, deploy, plan_deploy
from edgepack.store import digest_file
from edgepack.tools import cache
from tests.releases import Program, bundle
from tests.ship.test_parcels import BLOCK, options, programs, retrained, weights

__all__ = ["options", "programs"]

pytestmark = pytest.mark.slow


def another_laptop() -> None:
    """Nothing of what was shipped is on this host."""
    for kept in ("shipped", "shipped-releases", "parcels"):
        shutil.rmtree(cache.root() / kept, ignore_errors=True)


def test_of_a_release_that_another_laptop_shipped_only_what_is_new_is_sent(
    endpoint: Endpoint, tmp_path: Path, options: DeployOptions
) -> None:
    trained = weights(1, 12 * BLOCK)
    one = bundle(tmp_path / "one", Program(weights=trained))
    two = bundle(tmp_path / "two", Program(version="2.0.0", weights=b"put in front" + retrained(trained)))
    assert deploy(endpoint, one, options).sent_as == "parcels"  # by the helper, which stays there
    another_laptop()
    plan = plan_deploy(endpoint, two, options)
    done = deploy(endpoint, two, options)
    assert (done.sent_as, done.outcome) == ("parcels", "deployed")
    assert done.bytes_sent < 0.1 * len(trained)
    assert plan.bytes_on_link == done.bytes_sent


def test_of_a_worn_base_what_is_right_is_taken(
    endpoint: Endpoint, tmp_path: Path, options: DeployOptions
) -> None:
    """The box tells the chunks of what it has now: the worn one is none of the new file's."""
    trained = weights(1, 9 * BLOCK)
    one = bundle(tmp_path / "one", Program(weights=trained))
    two = bundle(tmp_path / "two", Program(version="2.0.0", weights=retrained(trained)))
    deploy(endpoint, one, options)
    model = next(file for file in one.files if file.size == len(trained))
    stored = Path(endpoint.root) / "store" / model.sha256
    content = bytearray(trained)
    content[BLOCK] ^= 1
    stored.write_bytes(bytes(content))
    another_laptop()
    done = deploy(endpoint, two, options)
    assert (done.sent_as, done.outcome) == ("parcels", "deployed")
    assert done.bytes_sent < 0.1 * len(trained)
    new = next(file for file in two.files if file.size == len(trained))
    assert digest_file(stored.with_name(new.sha256)) == new.sha256


HEX, NAME = "a" * 64, "b" * 32


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([], {}),
        ([f"file {HEX}"], {}),
        ([f"file {HEX}", f"chunk 9 {NAME}", "noise", f"chunk 10 {NAME}"], {HEX: (f"9 {NAME}", f"10 {NAME}")}),
        ([f"file {HEX}", f"chunk 0 {NAME}", f"chunk -1 {NAME}", f"chunk 9 {NAME};x", "chunk 9 zz"], {}),
        ([f"chunk 9 {NAME}"], {}),
    ],
)
def test_what_a_box_says_is_taken_line_by_line(said: list[str], told: dict[str, tuple[str, ...]]) -> None:
    assert {sha: found.lines for sha, found in chunks.read(said).items()} == told
