"""What controllers say of a workload, and what that means."""

from __future__ import annotations

from typing import Any

import pytest

from edgepack.containers.cluster import rollout


def said(kind: str, spec: dict[str, Any], generation: int = 2, **status: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"generation": generation}, "spec": spec, "status": status}


LATE = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "too late"}
STATES: list[tuple[str, dict[str, Any], bool, str]] = [
    ("nobody looked", said("DaemonSet", {}, desiredNumberScheduled=0), False, ""),
    (
        "of the set before",
        said(
            "DaemonSet",
            {},
            observedGeneration=1,
            desiredNumberScheduled=1,
            updatedNumberScheduled=1,
            numberAvailable=1,
        ),
        False,
        "",
    ),
    (
        "all of it",
        said(
            "DaemonSet",
            {},
            observedGeneration=2,
            desiredNumberScheduled=1,
            updatedNumberScheduled=1,
            numberAvailable=1,
        ),
        True,
        "",
    ),
    (
        "not ready",
        said("DaemonSet", {}, observedGeneration=2, desiredNumberScheduled=1, updatedNumberScheduled=1),
        False,
        "",
    ),
    ("no node for it", said("DaemonSet", {}, observedGeneration=2), True, ""),
    (
        "replicas",
        said(
            "Deployment",
            {"replicas": 2},
            observedGeneration=2,
            replicas=2,
            updatedReplicas=2,
            availableReplicas=2,
        ),
        True,
        "",
    ),
    (
        "an old one is there",
        said(
            "Deployment",
            {"replicas": 2},
            observedGeneration=2,
            replicas=3,
            updatedReplicas=2,
            availableReplicas=3,
        ),
        False,
        "",
    ),
    (
        "given up",
        said(
            "Deployment",
            {"replicas": 2},
            observedGeneration=2,
            replicas=2,
            updatedReplicas=1,
            conditions=[LATE],
        ),
        False,
        "too late",
    ),
    (
        "given up before this set came",
        said("Deployment", {"replicas": 2}, observedGeneration=1, conditions=[LATE]),
        False,
        "",
    ),
    ("nonsense", said("Deployment", {}, observedGeneration="x", conditions=[7], replicas=[]), False, ""),
]


@pytest.mark.parametrize(
    ("there", "done", "given_up"), [row[1:] for row in STATES], ids=[row[0] for row in STATES]
)
def test_what_a_controller_says(there: dict[str, Any], done: bool, given_up: str) -> None:
    now = rollout.progress(there)
    assert (now.done, now.given_up) == (done, given_up)


def pod(**status: Any) -> dict[str, Any]:
    return {"status": status}


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
PULL = {"name": "doors", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}}
CRASH = {
    "name": "doors",
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"exitCode": 3}},
}
STARTING = {"name": "doors", "state": {"waiting": {"reason": "ContainerCreating"}}}
PODS = [
    (pod(conditions=[UNSCHEDULABLE]), ["Unschedulable: 0/3 nodes"]),
    (pod(containerStatuses=[PULL]), ["ImagePullBackOff (doors): Back-off"]),
    (pod(containerStatuses=[CRASH]), ["CrashLoopBackOff (doors, it ended with 3)"]),
    (pod(containerStatuses=[STARTING]), []),
    (pod(), []),
]


@pytest.mark.parametrize(
    ("one", "words"), PODS, ids=["no node", "no image", "it ends", "starting", "nothing"]
)
def test_why_a_pod_waits(one: dict[str, Any], words: list[str]) -> None:
    assert list(rollout._waits(one)) == words


class Speaks:
    """A server whose Deployment says one thing after the other."""

    def __init__(self, *says: dict[str, Any]) -> None:
        self._says = iter(says)

    def path(self, _one: Any) -> str:
        return "deployment"

    def get(self, path: str, **_query: str) -> dict[str, Any]:
        return next(self._says) if path == "deployment" else {"items": []}


def test_what_it_gave_up_before_is_not_this_rollouts_end() -> None:
    """A controller goes on saying so until a pod comes further: seen on 1.20, after a rollback."""
    one = {"kind": "Deployment", "metadata": {"name": "asked", "namespace": "doors"}, "spec": {}}
    spec = {"replicas": 1}
    old, new = (LATE | {"lastUpdateTime": f"2026-01-01T00:00:0{second}Z"} for second in (1, 2))
    says = [
        said("Deployment", spec, observedGeneration=generation, replicas=1, conditions=[late])
        for generation, late in ((1, old), (2, old), (2, new))
    ]
    watch = rollout._Watch(Speaks(*says), {"Deployment asked": one}, 600.0)  # type: ignore[arg-type]
    for words in ("", "", "Deployment asked: too late"):
        watch.look()
        assert watch.outcome.why == words
