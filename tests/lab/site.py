"""A box in a user's fleet: what that user does to it from the command line, and what then lies on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import reference
from .endpoint import Endpoint
from .project import Node, Project, Releases

OLD, NEW = "1.0.0", "1.1.0"
NAME = "box-01"
# Everything that a deploy leaves: not the program's own data, the journal, or the script itself.
_LEFT = (
    "cd edgepack 2>/dev/null || exit 0; "
    "find store apps/*/releases incoming lock -type f -o -type l -o -type d 2>/dev/null | sort"
)


@dataclass(frozen=True)
class Site:
    """A box, two releases for it, and the target that the fleet file says it is."""

    endpoint: Endpoint
    releases: Releases
    target: str

    @property
    def project(self) -> Project:
        return self.releases.project

    def enter_fleet(self, **node: Any) -> None:
        """Write ``fleet.yaml`` with this box alone; ``node`` is what a ``Node`` has beside its address."""
        self.project.write_fleet(box_01=Node(self.endpoint, self.target, **node))

    def said(self, name: str, *words: str) -> Any:
        return self.project.said(name, NAME, *words)

    def deploy(self, version: str) -> Any:
        return self.said("deploy", "--bundle", str(self.releases.bundle(version, self.target)))

    def refused(self, version: str, *words: str) -> tuple[int, dict[str, Any]]:
        bundle = self.releases.bundle(version, self.target)
        return self.project.refused("deploy", NAME, "--bundle", bundle, *words)

    def digest(self, version: str) -> str:
        return self.releases.digest(version, self.target)

    def left(self) -> str:
        """What deploys have left on the box, a path a line."""
        return self.endpoint.said(_LEFT)

    def answers(self, version: str) -> None:
        """Assert that the release of this version runs there, and computes what was trained."""
        (row,) = self.said("status")
        assert (row["state"], row["version"]) == ("running", version), row
        images = sorted((self.project.folder / "data/val").glob("*.pgm"))[:3]
        answers = self.project.said("ask", NAME, *images)
        truth = reference.of(self.project.folder).classes[:3]
        assert [answer["class"] for answer in answers] == list(truth)
