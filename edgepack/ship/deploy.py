"""One bundle to one box: the whole way, with the proof before the switch.

    probe → preflight → difference → send → stage → prove → switch → health → confirm

Until the switch nothing that runs is touched; from then until the confirmation the box goes back by
itself. So a kill or a cut link at any point leaves the old release or the new one running.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import BoxError
from edgepack.box.facts import Facts, probe
from edgepack.box.session import Box
from edgepack.bundle import Bundle, listing
from edgepack.errors import EdgepackError
from edgepack.ship import (
    boot,
    chunks,
    contained,
    licence,
    made,
    model_key,
    notes,
    parcels,
    paused,
    preflight,
    proof,
    python,
    secrets,
    steps,
    transfer,
    trust,
)
from edgepack.ship.activate import Health, activate, parse_status
from edgepack.ship.cargo import Cargo
from edgepack.ship.contained import Contained
from edgepack.ship.errors import NotProvenError
from edgepack.ship.lease import held
from edgepack.ship.report import (
    DEPLOYED,
    NOTHING,
    RESTARTED,
    Clock,
    DeployPlan,
    DeployReport,
    Progress,
    quiet,
)
from edgepack.ship.secrets import Secret
from edgepack.ship.window import Window

FRESH_S = 10  # a status older than this is not of a program that works


@dataclass(frozen=True)
class DeployOptions:
    """What can be chosen.

    keep: releases that stay on the box to go back to, besides these two. limit: bytes a second at the most,
    or 0. tools: what makes parcels; without them files are sent whole. tell: is given what a person should
    know of the box before anything is changed on it. secrets: for the app on this box, in the place of those
    there; None: they are left alone. licence: the file for this box, in the place of the one there.
    contained: how its container is made, for a node with `runs: compose`. model_key: fetches the key of an
    encrypted model; called where the box lacks it.
    """

    keep: int = 3
    gzip: bool = True
    limit: int = 0
    tools: parcels.Tools | None = None
    window: Window | None = None
    tell: Callable[[str], None] = lambda _: None
    secrets: Mapping[str, Secret] | None = None
    licence: bytes | None = None
    contained: Contained | None = None
    model_key: model_key.Fetch | None = None


def deploy(
    endpoint: Endpoint,
    bundle: Bundle,
    options: DeployOptions = DeployOptions(),
    progress: Progress = quiet,
) -> DeployReport:
    """Bring ``bundle`` to the box and have it answer there.

    Raises UnreachableError, HostKeyError, PreflightError, LockedError, NotProvenError,
    UnhealthyError, BoxError, BundleError; after each the box runs what it ran before, or, where
    the last step was reached, the new release.
    """
    clock = Clock(progress)
    if options.window is not None:
        options.window.wait(clock)
    with clock.stage("connect"):
        box = Box(endpoint)
    with box:
        with clock.stage("probe"):
            facts = _survey(box, bundle)
        foreseen = _foreseen(bundle, facts, options)
        preflight.check(bundle, foreseen, endpoint.where, _asked(box, bundle, options))
        for sentence in (*notes.told(bundle, foreseen), *boot.beforehand(endpoint, facts)):
            options.tell(sentence)
        wanted = contained.way(endpoint, options.contained)
        running = _runs_well(box, bundle, facts, wanted)
        if running is not None and options.secrets is None and foreseen == facts:
            return _report(endpoint, bundle, clock, NOTHING, running.get("previous"))
        # Before the lock is held: a large model takes its time, and others need not wait for it.
        cargo = Cargo.of(bundle, facts, options.tools, clock, chunks.asking(box, facts))
        with held(box, facts.lock) as lease:
            if lease.undone:
                facts = _survey(box, bundle)
                foreseen = _foreseen(bundle, facts, options)
                preflight.check(bundle, foreseen, endpoint.where)
            work = _Deploy(box, bundle, options, clock, lease.token)
            if foreseen.licence != facts.licence:  # the program that runs reads it by itself
                licence.send(box, lease.token, bundle.name, foreseen.licence.encode())
            model_key.send(box, lease.token, bundle.name, facts, foreseen)
            if running is not None and not lease.undone and not work.bring_secrets():
                return _report(endpoint, bundle, clock, NOTHING, running.get("previous"))
            return work.run(facts, cargo)


def plan_deploy(
    endpoint: Endpoint,
    bundle: Bundle,
    options: DeployOptions = DeployOptions(),
    progress: Progress = quiet,
) -> DeployPlan:
    """What ``deploy`` would do now. Connects and asks; changes nothing on the box."""
    with Box(endpoint) as box:
        facts = _foreseen(bundle, _survey(box, bundle), options)
        reasons = (*preflight.refusals(bundle, facts), *_asked(box, bundle, options))
        refusals = [f"{reason.what}: {reason.fix}" for reason in reasons]
        if _busy(facts):
            refusals.append(f"somebody else is working on this box: {facts.lock.split()[-1]}")
        idle = (
            not refusals
            and _runs_well(box, bundle, facts, contained.way(endpoint, options.contained)) is not None
        )
        tools = None if idle or refusals else options.tools
        cargo = Cargo.of(bundle, facts, tools, Clock(progress), chunks.asking(box, facts))
    files = preflight.missing(bundle, facts)
    return DeployPlan(
        node=endpoint.node,
        app=bundle.name,
        version=bundle.version,
        release=_hex(bundle),
        current=facts.current.get(bundle.name),
        bytes_to_send=0 if idle else sum(file.size for file in files),
        files_to_send=0 if idle else len(files),
        bytes_on_link=cargo.bytes(facts),
        bytes_total=sum(file.size for file in bundle.files),
        files_total=len(bundle.files),
        steps=()
        if idle or refusals
        else (
            *steps.window(options.window),
            *steps.of(endpoint, bundle, facts, contained.step(options.contained)),
            *boot.step(endpoint, facts),
        ),
        refusals=tuple(refusals),
        notes=(*notes.told(bundle, facts), *notes.beside(bundle, facts)),
    )


def _asked(box: Box, bundle: Bundle, options: DeployOptions) -> tuple[preflight.Refusal, ...]:
    """What only some bundles ask of a box, asked of it. In a container Python is the image's."""
    if options.contained is not None:
        return contained.refusals(box, options.contained)
    return python.refusals(box, bundle)


class _Deploy:
    """The steps that change the box, under its lock."""

    def __init__(self, box: Box, bundle: Bundle, options: DeployOptions, clock: Clock, token: str) -> None:
        self.box = box
        self.bundle = bundle
        self.options = options
        self.clock = clock
        self.token = token
        self.app = bundle.name
        self.release = _hex(bundle)

    def run(self, facts: Facts, cargo: Cargo) -> DeployReport:
        pace = transfer.Pace(self.options.limit, self.options.window)
        way = transfer.Way(pace, self.clock.progress)
        with self.clock.stage("send"):
            signed_by = trust.authorise(self.box, self.token, self.bundle, facts)
            sent = cargo.send(self.box, self.token, facts, way, gzip=self.options.gzip)
        if self.options.window is not None:  # what was sent stays: it is discarded only once it is staged
            self.options.window.hold("and all of it was sent, but not switched to")
        with self._or_discard():
            with self.clock.stage("stage"):
                self._stage()
            if made.OnBox.of(self.bundle.release):
                with self.clock.stage("make"):
                    made.make(self.box, self.token, self.app, self.release, self.bundle.release)
            self._way_to_run(facts)
            with self.clock.stage("prove"):
                proven = self._prove()
            self.bring_secrets()
            active = activate(
                self.box, self.token, self.app, self.release, Health.of(self.bundle.release), self.clock
            )
        starts = boot.enable(self.box, self.token)
        self.box.call("collect", self.token, self.app, str(self.options.keep))
        if self.options.tools:
            parcels.keep(self.bundle)
        outcome = RESTARTED if active.before == self.release else DEPLOYED
        report = _report(self.box.endpoint, self.bundle, self.clock, outcome, active.previous)
        return DeployReport(
            **{
                **vars(report),
                "files_sent": sent.files,
                "bytes_sent": sent.bytes,
                "sent_as": cargo.sent_as,
                "signed_by": signed_by,
                "starts_at_boot": starts.way,
                "boot_line": starts.line,
                "proof": proven.report if proven else None,
                "paused_s": proven.paused_s if proven else 0,
                "proof_summary": proven.summary
                if proven
                else "no golden vectors in the bundle: nothing is proven",
                "status": active.status,
            }
        )

    def bring_secrets(self) -> bool:
        """Whether the box has others now than before."""
        if self.options.secrets is None:
            return False
        return secrets.send(self.box, self.token, self.app, self.options.secrets)

    def _way_to_run(self, facts: Facts) -> None:
        """Before the proof, which is of the program in its container."""
        options = self.options.contained
        wanted = contained.way(self.box.endpoint, options)
        if options or wanted != contained.known(facts, self.app):
            contained.looked_after(self.box, self.token, self.app, self.release, wanted, options)

    def _stage(self) -> None:
        said = self.box.call("stage", self.token, self.app, self.release, stdin=[listing(self.bundle.files)])
        damaged = [line.removeprefix("damaged ") for line in said if line.startswith("damaged ")]
        if damaged:
            raise BoxError(
                f"{damaged[0]} was written to the box and reads back as something else",
                "damaged",
                where=self.box.endpoint.where,
                fix="the box's storage is failing: replace it, or set `root:` to another file system",
            )

    def _prove(self) -> proof.Proof | None:
        demands = proof.vectors(self.bundle)
        if demands is None:
            return None
        gates = self.bundle.release.get("gates")
        if not isinstance(gates, dict):
            raise NotProvenError(
                "the bundle does not say how close its outputs must be",
                where=str(self.bundle.folder),
                fix="build it again: edgepack build",
            )
        lines = paused.verify(self.box, self.token, self.app, self.release, proof.LIMIT_S, self.options.tell)
        return proof.held_to(lines, demands, gates, self.box.endpoint.where)

    @contextlib.contextmanager
    def _or_discard(self) -> Iterator[None]:
        """Leave nothing of a release that is refused."""
        try:
            yield
        except BaseException as error:
            if self.box.alive:
                with contextlib.suppress(EdgepackError):
                    self.box.call("discard", self.token, self.app, self.release)
                    self.box.call(
                        "journal", self.token, "refused", self.app, self.release, type(error).__name__
                    )
            raise


def _survey(box: Box, bundle: Bundle) -> Facts:
    digests = sorted({file.sha256 for file in bundle.files})
    facts = probe(box, bundle.name, digests)
    # In a container the libc is the image's: the proof in it tells.
    return replace(facts, libc="unknown") if box.endpoint.runs == "compose" else facts


def _foreseen(bundle: Bundle, facts: Facts, options: DeployOptions) -> Facts:
    """The box with the licence and the model's key that it will have."""
    facts = licence.foreseen(bundle.release, facts, options.licence)
    return model_key.foreseen(bundle.name, bundle.release, facts, options.model_key)


def _runs_well(box: Box, bundle: Bundle, facts: Facts, way: str) -> Mapping[str, str] | None:
    """The box's status where this very release is current, whole, confirmed, and answers; else None."""
    release = _hex(bundle)
    if facts.current.get(bundle.name) != release or contained.known(facts, bundle.name) != way:
        return None
    said = dict(line.partition(" ")[::2] for line in box.call("status", bundle.name))
    program = said.get("program", "").split()
    age = said.get("status_age", "")
    fresh = age.lstrip("-").isdigit() and int(age) <= FRESH_S
    if (
        {"unconfirmed", "unfinished"} & said.keys()
        or program[:1] != ["yes"]
        or program[2:3] != [release]
        or not fresh
    ):
        return None
    if parse_status(said.get("status", "")) is None:
        return None
    try:
        damaged = any(line.startswith("damaged") for line in box.call("check", bundle.name, release))
    except BoxError:
        return None
    return None if damaged else said


def _busy(facts: Facts) -> bool:
    words = facts.lock.split()
    return len(words) == 4 and words[1].lstrip("-").isdigit() and int(words[1]) > 0


def _report(
    endpoint: Endpoint, bundle: Bundle, clock: Clock, outcome: str, previous: str | None
) -> DeployReport:
    return DeployReport(
        node=endpoint.node,
        app=bundle.name,
        version=bundle.version,
        release=_hex(bundle),
        previous=previous,
        outcome=outcome,
        bytes_total=sum(file.size for file in bundle.files),
        files_total=len(bundle.files),
        seconds=clock.seconds,
    )


def _hex(bundle: Bundle) -> str:
    return bundle.digest.removeprefix("sha256:")
