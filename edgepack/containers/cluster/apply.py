"""A set of objects → a cluster: planned, applied, waited for; back to the set before where that stalls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from edgepack.containers.cluster import applied, changes, kept, rollout
from edgepack.containers.cluster.changes import Change
from edgepack.containers.cluster.errors import RolloutError, ServerRefusedError
from edgepack.containers.cluster.lock import Lock
from edgepack.containers.cluster.rollout import Outcome
from edgepack.containers.cluster.server import Object, Server, clean, who
from edgepack.errors import EdgepackError

VERSION_LABEL = "app.kubernetes.io/version"


class Tell(Protocol):
    """Who hears how it goes."""

    def stage(self, name: str) -> None:
        """Something begins."""

    def note(self, words: str) -> None:
        """How far that is."""

    def remark(self, words: str) -> None:
        """What somebody should know in any case."""


@dataclass(frozen=True)
class Wanted:
    """What is to be in the cluster. ``name``: the app's; one of them for a namespace."""

    name: str
    namespace: str
    objects: Sequence[Object]
    secrets: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Options:
    """How."""

    timeout_s: float
    dry: bool = False
    force: bool = False


@dataclass
class Report:
    """What came of it."""

    changes: list[Change] = field(default_factory=list)
    outcome: Outcome | None = None

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        told: dict[str, Any] = {"objects": [change.as_dict() for change in self.changes]}
        return told | ({"rollout": self.outcome.as_dict()} if self.outcome else {})


def run(server: Server, wanted: Wanted, options: Options, tell: Tell) -> Report:
    """Raises PreflightError while nothing is changed yet, RolloutError where pods do not become ready."""
    tell.stage("plan")
    changes.known(server, wanted.objects)
    planned = changes.plan(server, wanted.objects, force=options.force)
    _secrets(server, wanted, tell)
    if options.dry:
        return Report([*planned, *(Change(one, "removed") for one, _ in _gone(server, wanted, tell).removed)])
    if not kept.fits(wanted.objects):
        tell.remark(
            "these objects have no room in a ConfigMap: the next stalled rollout will not find this set"
        )
    objects = changes.ordered(wanted.objects)
    namespaces = [one for one in objects if one["kind"] == "Namespace"]
    report = Report()
    tell.stage("apply")
    for one in namespaces:  # the lock lies in one of them
        report.changes.append(changes.send(server, one, force=options.force))
    with Lock(server, wanted.namespace, wanted.name, tell.remark) as lock:
        before = kept.read(server, wanted.namespace, wanted.name, wanted.objects)
        gone = _gone(server, wanted, tell)
        known = applied.read(server, wanted.namespace, wanted.name)
        applied.write(server, wanted.namespace, wanted.name, [*known, *objects])  # also if it ends half-way
        for one in objects[len(namespaces) :]:
            tell.note(f"{len(report.changes) + 1} of {len(objects)}: {who(one)}")
            report.changes.append(_sent(server, one, options, report))
            lock.keep()
        tell.note(f"{len(objects)} objects")
        tell.stage("rollout")
        report.outcome = rollout.wait(server, objects, options.timeout_s, tell.note, lock.keep)
        if not report.outcome.ready:
            raise _Back(server, wanted, options, tell, lock).after(report, before)
        if any(pods.wanted for pods in report.outcome.pods.values()):  # without a pod nothing was shown
            kept.write(server, wanted.namespace, wanted.name, wanted.objects)
            _remove(server, wanted, gone, report, tell)
    for name, pods in report.outcome.pods.items():
        if not pods.wanted:
            tell.remark(
                f"{name} has no pod: no node of the cluster is for it; do the nodes have their labels?"
            )
    return report


def _gone(server: Server, wanted: Wanted, tell: Tell) -> applied.Gone:
    found = applied.gone(server, wanted.namespace, wanted.name, wanted.objects)
    for words in found.stays:
        tell.remark(f"the overlay makes it no more, and it stays: {words}")
    return found


def _remove(server: Server, wanted: Wanted, gone: applied.Gone, report: Report, tell: Tell) -> None:
    """What the new set does not make, now that this is ready: a rollout that stalls finds it still there."""
    left = []
    if gone.removed:
        tell.stage("remove")
    for one, uid in sorted(gone.removed, key=lambda row: row[0]["kind"] not in rollout.WORKLOADS):
        tell.note(who(one))
        try:
            server.delete(server.path(one), uid)
            report.changes.append(Change(one, "removed", uid))
        except ServerRefusedError as error:
            left.append(one)
            tell.remark(f"the overlay makes {who(one)} no more, and it stays: {error.why}")
    applied.write(server, wanted.namespace, wanted.name, [*wanted.objects, *left])


def _sent(server: Server, one: Object, options: Options, report: Report) -> Change:
    """One object; what is refused now, though the plan was taken, comes after others were changed."""
    try:
        return changes.send(server, one, force=options.force)
    except ServerRefusedError as error:
        done = [who(change.one) for change in report.changes if change.state != "unchanged"]
        raise RolloutError(
            error.what,
            where=error.where,
            why=f"{error.why or error.causes}; it took all in the dry run before",
            detail="\n".join(f"changed before it, and stays so: {name}" for name in done),
            fix="somebody else is at work there; apply again",
        ) from None


def _secrets(server: Server, wanted: Wanted, tell: Tell) -> None:
    for namespace, name in wanted.secrets:
        one = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}}
        try:
            missing = server.get(server.path(one), meta=True) is None
        except ServerRefusedError:  # who may not look cannot tell
            continue
        if missing:
            line = f"kubectl -n {namespace} create secret generic {name} --from-file=NAME=FILE"
            tell.remark(f"the Secret {name} is not in {namespace} yet, and pods wait for it: {line}")


@dataclass
class _Back:
    """The way back from a rollout that stalled."""

    server: Server
    wanted: Wanted
    options: Options
    tell: Tell
    lock: Lock

    def after(self, report: Report, before: Sequence[Object]) -> RolloutError:
        """Goes back where there is a set to go back to, and says what answers now."""
        stalled = report.outcome or Outcome()
        why, answers = stalled.why, _answers(stalled)
        where = f"{self.server.where}, namespace {self.wanted.namespace}"
        words = "\n".join(stalled.waiting)
        look = f"kubectl -n {self.wanted.namespace} describe pods"
        if not before:
            return RolloutError(
                f"the rollout of {self.wanted.name}{_version(self.wanted.objects)} stalled",
                where=where,
                why=f"{why}. No set before it became ready here, so nothing is taken back: {answers}",
                detail=words,
                fix=f"{look}; then correct it and apply again",
            )
        if kept.digest(before) == kept.digest(self.wanted.objects):
            return RolloutError(
                f"{self.wanted.name}{_version(before)}, which was ready before, is not ready now",
                where=where,
                why=f"{why}. It is the last set that became ready; there is none to go back to: {answers}",
                detail=words,
                fix=look,
            )
        self.tell.stage("back")
        done = "was rolled back"
        try:
            outcome = self._to(report, before)
            now = f"{_version(before).strip() or 'it'} is back: {_answers(outcome)}"
            now += "" if outcome.ready else f" ({outcome.why})"
        except EdgepackError as error:
            done = "could not be rolled back"
            now = f"{error.what}; {error.why}"
        return RolloutError(
            f"the rollout of {self.wanted.name}{_version(self.wanted.objects)} stalled and {done}",
            where=where,
            why=f"{why}. What answers now: {now}",
            detail=words,
            fix="correct what the pods say, and apply again",
        )

    def _to(self, report: Report, before: Sequence[Object]) -> Outcome:
        touched = {applied.identity(one) for one in self.wanted.objects}
        for one in changes.ordered(before):
            # What is made no more was left alone, and by now it may be somebody else's.
            if applied.identity(one) not in touched and not applied.ours(self.server, one):
                continue
            self.tell.note(who(one))
            changes.send(self.server, one, force=self.options.force)
            self.lock.keep()
        there = {self.server.path(one) for one in before}
        for change in reversed(report.changes):
            path = self.server.path(change.one)
            if change.state == "created" and path not in there and change.one["kind"] not in applied.STAYS:
                self.server.delete(path, change.uid)
        return rollout.wait(self.server, before, self.options.timeout_s, self.tell.note, self.lock.keep)


def _answers(outcome: Outcome) -> str:
    told = [f"{name} {pods.ready} of {pods.wanted} pods ready" for name, pods in outcome.pods.items()]
    return ", ".join(told) or "no pods"


def _version(objects: Sequence[Object]) -> str:
    """`` 1.0.0``, or nothing where the pods do not say."""
    for one in objects:
        if one["kind"] in rollout.WORKLOADS:
            labels = ((one.get("spec") or {}).get("template") or {}).get("metadata", {}).get("labels") or {}
            if VERSION_LABEL in labels:
                return f" {clean(labels[VERSION_LABEL], 63)}"
    return ""
