"""How far the pods of workloads are, why those wait that wait, and when to give up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from edgepack.box.errors import UnreachableError
from edgepack.containers.cluster.errors import ServerRefusedError
from edgepack.containers.cluster.server import Object, Server, clean, who

WORKLOADS = ("Deployment", "DaemonSet")
POLL_S = 1.0
_MOST_PODS = "200"
_LOST_S = 120.0  # a link that is gone for so long is told; nothing in the cluster waits for us
_DULL = ("ContainerCreating", "PodInitializing", "")


@dataclass(frozen=True)
class Progress:
    """One workload: pods that should be, are of the new kind, and of those ready."""

    wanted: int
    updated: int
    ready: int
    seen: bool  # whether its controller has looked at what was applied
    left: int = 0  # pods of an older kind that still are there
    given_up: str = ""  # in the controller's own words
    since: str = ""  # when that was last said

    @property
    def done(self) -> bool:
        return self.seen and self.updated >= self.wanted and self.ready >= self.wanted and not self.left

    @property
    def height(self) -> tuple[int, int, int, int]:
        """What grows while it advances."""
        return (int(self.seen), self.updated, self.ready, -self.left)

    def text(self) -> str:
        return f"{self.updated} of {self.wanted} pods new, {self.ready} ready"


def progress(there: Object) -> Progress:
    """What the controller says of a workload. What it does not say is 0."""
    status, spec = there.get("status") or {}, there.get("spec") or {}
    seen = _int(status, "observedGeneration") >= _int(there.get("metadata") or {}, "generation")
    if there.get("kind") == "DaemonSet":
        wanted, updated = _int(status, "desiredNumberScheduled"), _int(status, "updatedNumberScheduled")
        ready = min(_int(status, "numberAvailable"), wanted)
        return Progress(wanted, updated, ready, seen)
    wanted = _int(spec, "replicas") if "replicas" in spec else 1
    updated = _int(status, "updatedReplicas")
    old = max(0, _int(status, "replicas") - updated)
    late = next((c for c in _conditions(there) if c.get("reason") == "ProgressDeadlineExceeded"), {})
    words = clean(late.get("message") or late.get("reason")).rstrip(".") if seen else ""
    since = clean(late.get("lastUpdateTime"), 40)
    return Progress(wanted, updated, _int(status, "availableReplicas"), seen, old, words, since)


def _int(of: Object, key: str) -> int:
    value = of.get(key, 0)
    return value if isinstance(value, int) else 0


def _conditions(of: Object) -> list[Object]:
    listed = (of.get("status") or {}).get("conditions") or ()
    return [one for one in listed if isinstance(one, dict)]


@dataclass
class Outcome:
    """How it ended: workloads that are ready, and what keeps the others."""

    ready: bool = False
    pods: dict[str, Progress] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    why: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        of = {
            name: {"wanted": p.wanted, "updated": p.updated, "ready": p.ready}
            for name, p in self.pods.items()
        }
        return {"ready": self.ready, "workloads": of, "waiting": self.waiting, "why": self.why}


def wait(
    server: Server,
    objects: Sequence[Object],
    timeout_s: float,
    note: Callable[[str], None],
    alive: Callable[[], None],
) -> Outcome:
    """Until all are ready, or one does not advance for so long, or its controller gives it up."""
    watch = _Watch(server, {who(one): one for one in objects if one["kind"] in WORKLOADS}, timeout_s)
    heard = time.monotonic()
    while True:
        try:
            alive()
            watch.look()
            heard = time.monotonic()
        except UnreachableError:
            if time.monotonic() - heard > _LOST_S:
                raise
            note(f"the API server is not reached; asked again for {_LOST_S:.0f} s")
            time.sleep(POLL_S)
            continue
        note(_line(watch.outcome))
        if watch.outcome.ready or watch.outcome.why:
            return watch.outcome
        time.sleep(POLL_S)


class _Watch:
    """What is looked at again and again."""

    def __init__(self, server: Server, watched: dict[str, Object], timeout_s: float) -> None:
        self._server, self._watched, self._timeout_s = server, watched, timeout_s
        self._best: dict[str, tuple[int, ...]] = {}
        self._before: dict[str, str] = {}
        self._advanced = dict.fromkeys(watched, time.monotonic())
        self.outcome = Outcome()

    def look(self) -> None:
        """How far it is now."""
        for name, one in self._watched.items():
            now = progress(self._server.get(self._server.path(one)) or {})
            # A controller goes on saying that it gave up until a pod comes further, though it was the set
            # before that did not: what it said already at the first look counts for nothing.
            if self._before.setdefault(name, now.since) == now.since:
                now = replace(now, given_up="")
            self.outcome.pods[name] = now
            if now.height > self._best.get(name, ()):
                self._best[name], self._advanced[name] = now.height, time.monotonic()
        self.outcome.ready = all(now.done for now in self.outcome.pods.values())
        self.outcome.waiting = _reasons(self._server, self._watched, self.outcome.pods)
        if not self.outcome.ready:
            self.outcome.why = next(self._stalls(), "")

    def _stalls(self) -> Iterator[str]:
        for name, now in self.outcome.pods.items():
            if not now.done and now.given_up:
                yield f"{name}: {now.given_up}"
            elif not now.done and time.monotonic() - self._advanced[name] > self._timeout_s:
                words = "" if now.seen else ": no controller of the cluster has looked at it"
                yield f"{name} has not come further for {self._timeout_s:g} s{words}"


def _line(outcome: Outcome) -> str:
    pods = outcome.pods.values()
    whole = f"{sum(p.ready for p in pods)} of {sum(p.wanted for p in pods)} pods ready"
    return f"{whole}; {outcome.waiting[0]}" if outcome.waiting else whole


def _reasons(server: Server, watched: dict[str, Object], pods: dict[str, Progress]) -> list[str]:
    """A sentence for each reason why pods are not ready, with how many have it."""
    found: Counter[str] = Counter()
    for name, one in watched.items():
        if pods[name].done:
            continue
        namespace = quote(one["metadata"]["namespace"], safe="")
        labels = (one["spec"].get("selector") or {}).get("matchLabels") or {}
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
        try:
            listed = server.get(
                f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector, limit=_MOST_PODS
            )
        except ServerRefusedError:  # who may not see pods goes by the counts alone
            continue
        mine = [pod for pod in (listed or {}).get("items") or () if isinstance(pod, dict)]
        silent = []
        for pod in mine:
            reasons = list(_waits(pod))
            found.update(f"{name}: {reason}" for reason in reasons)
            if not reasons and not _is_ready(pod):
                silent.append(pod)
        # What neither a pod nor its container says stands in an event: a Secret that is not there, a quota.
        for of in silent[:1] or ([] if mine else [one]):
            found.update(f"{name}: {words}" for words in _event(server, namespace, of))
    return [f"{words} ({count} pods)" if count > 1 else words for words, count in found.most_common(8)]


def _is_ready(pod: Object) -> bool:
    return any(c.get("type") == "Ready" and c.get("status") == "True" for c in _conditions(pod))


def _waits(pod: Object) -> Iterator[str]:
    for condition in _conditions(pod):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"{clean(condition.get('reason'), 60)}: {clean(condition.get('message'), 300)}"
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason", "") in _DULL:
            continue
        ended = (container.get("lastState") or {}).get("terminated") or {}
        code = f", it ended with {_int(ended, 'exitCode')}" if ended else ""
        words = f" {clean(waiting.get('message'), 200)}" if waiting.get("message") else ""
        yield f"{clean(waiting['reason'], 60)} ({clean(container.get('name'), 63)}{code}):{words}".rstrip(":")


def _event(server: Server, namespace: str, of: Object) -> Iterator[str]:
    name = of.get("metadata", {}).get("name")
    fields = f"involvedObject.name={name},type=Warning"
    try:
        listed = server.get(f"/api/v1/namespaces/{namespace}/events", fieldSelector=fields, limit="50")
    except ServerRefusedError:
        return
    events = [one for one in (listed or {}).get("items") or () if isinstance(one, dict)]
    for one in sorted(events, key=lambda e: str(e.get("lastTimestamp") or ""))[-1:]:
        yield f"{clean(one.get('reason'), 60)}: {clean(one.get('message'), 300)}"
