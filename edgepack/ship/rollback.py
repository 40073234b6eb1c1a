"""Back to a release that is still on the box: proven again, then switched to as in a deploy."""

from __future__ import annotations

from collections.abc import Mapping

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import PreflightError
from edgepack.box.facts import Facts, probe
from edgepack.box.session import Box
from edgepack.ship import licence, made, model_key, proof
from edgepack.ship.activate import Health, activate, parse_status
from edgepack.ship.errors import DeployError
from edgepack.ship.lease import held
from edgepack.ship.report import ROLLED_BACK, Clock, DeployReport, Progress, quiet


def rollback(endpoint: Endpoint, app: str, to: str | None = None, progress: Progress = quiet) -> DeployReport:
    """Go back to the release before this one, or to ``to``: a digest, or its first digits.

    Raises DeployError where there is none, NotProvenError where it does not compute what it should
    any more, and what ``deploy`` raises.
    """
    clock = Clock(progress)
    with clock.stage("connect"):
        box = Box(endpoint)
    with box:
        with clock.stage("probe"):
            facts = probe(box, app)
            _choose(endpoint, app, to, facts, _previous(box, app))
        with held(box, facts.lock) as lease:
            token = lease.token
            facts = probe(box, app)
            current = facts.current.get(app)
            release = _choose(endpoint, app, to, facts, _previous(box, app))
            with clock.stage("prove"):
                about = _whole(box, app, release)
                _may_run(endpoint, app, about, facts)
                made.make(box, token, app, release, about)  # its driver may be another one by now
                proven = proof.prove_again(box, token, app, release) if about.get("gates") else None
            active = activate(box, token, app, release, Health.of(about), clock)
            box.call("journal", token, "rollback", app, release, f"from {current}")
    return DeployReport(
        node=endpoint.node,
        app=app,
        version=str(about.get("version", "")),
        release=release,
        previous=active.previous,
        outcome=ROLLED_BACK,
        seconds=clock.seconds,
        proof=proven.report if proven else None,
        proof_summary=proven.summary if proven else "",
        status=active.status,
    )


def _may_run(endpoint: Endpoint, app: str, about: Mapping[str, object], facts: Facts) -> None:
    """Raises PreflightError where its program would not go on: golden vectors need no licence."""
    key = model_key.refusal(app, about, facts)
    why, fix = key or (licence.refusal(app, about, facts), "edgepack licence send NODE, then roll back again")
    if not why:
        return
    raise PreflightError(
        why if key else f"the program would not run: {why}",
        where=endpoint.where,
        why="nothing was changed on the box",
        fix=fix,
    )


def _previous(box: Box, app: str) -> str | None:
    for line in box.call("status", app):
        if line.startswith("previous "):
            return line.removeprefix("previous ")
    return None


def _choose(endpoint: Endpoint, app: str, to: str | None, facts: Facts, previous: str | None) -> str:
    current = facts.current.get(app)
    if current is None:
        raise DeployError(
            f"no release of {app} is on this box", where=endpoint.where, fix="deploy one: edgepack deploy"
        )
    others = [release for release in facts.releases if release != current]
    if to is None:
        if previous in others:
            return str(previous)
        raise DeployError(
            f"there is no release of {app} to go back to",
            where=endpoint.where,
            why=f"{current[:12]} is the only one that was confirmed on it",
            fix="deploy the bundle you want: edgepack deploy",
        )
    wanted = to.removeprefix("sha256:")
    found = [release for release in facts.releases if release.startswith(wanted)] if wanted else []
    if len(found) != 1 or found[0] == current:
        told = "is running already" if found == [current] else f"fits {len(found)} releases on the box"
        raise DeployError(
            f"cannot go back to {to}",
            where=endpoint.where,
            why=f"it {told}; to go back to: {', '.join(release[:12] for release in others) or 'none'}",
            fix="name one of those",
        )
    return found[0]


def _whole(box: Box, app: str, release: str) -> dict[str, object]:
    """What the release says of itself, once each of its files has its digest."""
    lines = box.call("check", app, release)
    damaged = [line.removeprefix("damaged ") for line in lines if line.startswith("damaged ")]
    if damaged:
        raise DeployError(
            f"release {release[:12]} is damaged on the box: {damaged[0]}",
            where=box.endpoint.where,
            fix="deploy its bundle again: edgepack deploy",
        )
    said = next((line.removeprefix("release ") for line in lines if line.startswith("release ")), "")
    return dict(parse_status(said) or {})
