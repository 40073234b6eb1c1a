"""What refers to an image, at a registry that lists it itself (OCI 1.1) and at one that knows tags alone."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from . import dockerd, referrers_registry
from .dockerd import Dockerd
from .endpoint import new_key
from .project import HOST_TARGET, Project, Releases
from .referrers_registry import ADDRESS, ReferrersRegistry

pytestmark = pytest.mark.heavy  # the registry is compiled once: `make test-referrers`

REPOSITORY = f"{ADDRESS}/team/digits"
_GET = """
import sys, urllib.error, urllib.request
try:
    sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=60).read().decode())
except urllib.error.HTTPError as error:
    sys.exit(f"status {error.code}")
"""


@dataclass
class Site:
    daemon: Dockerd
    project: Project
    registry: ReferrersRegistry
    api: bool
    keys: tuple[Path, Path]

    def edgepack(self, *words: str | Path, ok: bool = True) -> Any:
        """`edgepack image` where the registry is."""
        cmd = self.project.command("image", *words, "--insecure", "--json")
        argv = ["env", *(f"{key}={value}" for key, value in cmd.env.items()), *cmd.argv]
        done = self.daemon.run(self.daemon.inside(*argv), check=ok)
        return json.loads(done.stdout)

    def push(self, key: Path) -> Any:
        return self.edgepack(HOST_TARGET, "--push", REPOSITORY, "--key", key)

    def verify(self, *keys: Path, ok: bool = True) -> Any:
        by = [word for key in keys for word in ("--by", f"{key}.pub")]
        return self.edgepack("--verify", f"docker://{REPOSITORY}:1.0.0", *by, ok=ok)

    def get(self, path: str) -> tuple[Any, str]:
        """What the registry serves, or why not."""
        words = self.daemon.inside(sys.executable, "-c", _GET, f"http://{ADDRESS}{path}")
        done = self.daemon.run(words, check=False)
        return (json.loads(done.stdout), "") if done.returncode == 0 else (None, done.stderr.strip())

    def listed(self, digest: str) -> set[str]:
        """What refers to it, as the registry says: by the API where it has that, by the tag too."""
        tagged, _ = self.get(f"/v2/team/digits/manifests/{digest.replace(':', '-')}")
        found = {one["digest"] for one in tagged["manifests"]}
        answer, why = self.get(f"/v2/team/digits/referrers/{digest}")
        if self.api:
            assert {one["digest"] for one in answer["manifests"]} == found
        else:
            assert why.startswith("status 4"), "it has no such API"
        return found


@pytest.fixture(scope="module", params=["api", "tags"])
def site(
    request: pytest.FixtureRequest, releases: Releases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    place = releases.project.folder / "dist" / f"digits@{HOST_TARGET}"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(releases.bundle("1.0.0"), place)
    keys = tmp_path_factory.mktemp("keys")
    api = request.param == "api"
    with (
        dockerd.running(tmp_path_factory.mktemp("docker")) as daemon,
        referrers_registry.running(tmp_path_factory.mktemp("registry"), daemon, api=api) as registry,
    ):
        yield Site(daemon, releases.project, registry, api, (new_key(keys / "ops"), new_key(keys / "qa")))


def test_each_image_and_the_index_have_their_papers_there(site: Site) -> None:
    made = site.push(site.keys[0])
    (one,) = made["targets"]
    assert len(one["papers"]) == 4, "two bills, provenance, signature"
    assert site.listed(one["manifest"]) == set(one["papers"].values())
    assert site.listed(made["index"]) == set(made["index_papers"].values())


def test_who_signed_is_read_back_from_there(site: Site) -> None:
    rows = site.verify(site.keys[0])
    assert [row["what"] for row in rows] == [
        "index",
        "linux/amd64" if HOST_TARGET == "x86_64" else "linux/arm64/v8",
    ]
    assert all(len(row["signed_by"]) == 1 and row["unsigned"] == [] for row in rows)
    refused = site.verify(site.keys[1], ok=False)
    assert refused["what"] == "index was signed by somebody else"


def test_a_second_signature_is_listed_beside_the_first(site: Site) -> None:
    before = site.listed(site.verify()[0]["digest"])
    site.push(site.keys[1])
    for row in site.verify(site.keys[0]):
        assert len(row["signed_by"]) == 2
    assert before < site.listed(site.verify(site.keys[1])[0]["digest"])
