"""One trial: a deploy is begun, something strikes, the box has time to recover, and the next deploy comes."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.chaos import boxes, judge, plan, steps
from bench.chaos.boxes import GUARD, SESSION
from bench.chaos.client import Answers, Client
from bench.chaos.plan import Trial
from bench.chaos.releases import APP, Release
from bench.chaos.site import DEPLOY_S, Site, ended

RECOVERY_S = 110.0  # the guard acts 50 s after the switch; the rest is for a loaded machine


@dataclass(frozen=True)
class Row:
    """What came of a trial. ``gap_s``: without an answer until the box had recovered; -1 on an empty one."""

    number: int
    box: str
    blow: str
    step: str  # that was asked for
    reached: str  # that the box's disk showed when it was struck
    first: bool
    way: str
    release: str  # the old, the new, none: once it had recovered
    said: int  # the deployer's exit status; -9 where it was killed
    recovered_s: float
    gap_s: float
    seconds: float
    faults: tuple[str, ...]


def run(site: Site, trial: Trial) -> Row:
    """The trial; afterwards the site's box runs the new release, or is to be made anew."""
    site.ready(trial.first)
    began = time.monotonic()
    new = site.releases[-1] if trial.blow == plan.WRONG else site.next()
    before = site.current.digest if site.current else ""
    going = steps.Going(site.box.root, before, new.digest, new.sums[f"bin/{APP}"])
    with site.asked() as client:
        process = site.begin(new, *trial.way)
        try:
            _wait(site, trial, going, process, began)
            reached = steps.furthest(going)
            void = _strike(site, trial, process, going)
            struck = time.monotonic()
            code = ended(process)
        finally:
            ended(process, 0.1)
        if trial.blow == plan.BOX:
            boxes.rebooted(site.box)
        promise = site.promise(new, code if code >= 0 else None, trial.blow in plan.REFUSED)
        faults = judge.struck(promise, _quiet_look(site, 3.0 if trial.blow == plan.FROZEN else 30.0))
        if trial.blow in plan.FULL:
            site.box.empty()
        found, lives, recovered_s = _recovered(site, client, struck)
        faults += judge.settled(promise, found, lives)
        if trial.waits and "unconfirmed" in found.marks:
            faults += _gone_back(site, promise, client)
        answers = client.stop()
    faults += _client_faults(answers) + _again(site, trial, new, found)
    release = promise.name(found.current)
    if void:
        release, faults = "void", []
    gap = answers.gap_s if before else -1.0
    asked = (trial.number, site.box.kind, trial.blow, trial.step, reached, trial.first, " ".join(trial.way))
    seconds = (round(recovered_s, 2), round(gap, 2), round(time.monotonic() - began, 1))
    return Row(*asked, release, code, *seconds, tuple(dict.fromkeys(faults)))


def _wait(
    site: Site, trial: Trial, going: steps.Going, process: subprocess.Popen[bytes], began: float
) -> None:
    """Until the moment of the blow, or the end of the deploy where that comes before."""
    if trial.step == plan.ANY:
        until = time.monotonic() + trial.at * site.usual_s.get(trial.way, 6.0) * 1.1
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.01)
        return
    looks = 0
    while process.poll() is None and time.monotonic() - began < DEPLOY_S:
        # What is there for milliseconds may be over by now, but looking at everything takes as long.
        if steps.STEPS[trial.step](going) or (looks % 16 == 15 and steps.reached(trial.step, going)):
            break
        looks += 1
        time.sleep(0.003)
    time.sleep(trial.at * 0.05)


def _strike(site: Site, trial: Trial, process: subprocess.Popen[bytes], going: steps.Going) -> bool:
    """Whether it came too late to be this trial's."""
    if trial.blow in (plan.DEPLOYER, plan.FROZEN):
        if trial.blow == plan.FROZEN:
            site.link.freeze()
        process.send_signal(signal.SIGKILL)
    if trial.blow == plan.SESSION:
        boxes.kill(site.box, SESSION)
    if trial.blow == plan.GUARDLESS:
        boxes.kill(site.box, SESSION, GUARD)
    if trial.blow == plan.RESET:
        site.link.cut()
    if trial.blow == plan.BOX:
        site.link.cut()
        boxes.kill(site.box, *boxes.KINDS)
    if trial.blow in plan.FULL:
        site.box.fill("pages" if trial.blow == plan.PAGES else "inodes", trial.left)
    if trial.blow == plan.ROT:
        return not _rotted(going)
    return False


def _rotted(going: steps.Going) -> bool:
    """One bit of a file that only the new release has, once its digest was found right, before it is used."""
    file = going.root / "store" / going.program
    try:
        data = bytearray(file.read_bytes())
        data[len(data) // 3] ^= 1
        mode = file.stat().st_mode
        with file.open("r+b") as opened:
            opened.write(data)
        file.chmod(mode)
    except OSError:
        return False
    return not steps.reached("staging", going)


def _quiet_look(site: Site, seconds: float) -> judge.Seen:
    """The box's files once no session of the broken deploy works on them any more."""
    _until(lambda: not boxes.by_kind(site.box)[SESSION], seconds)
    return judge.seen(site.box.root)


def _recovered(site: Site, client: Client, struck: float) -> tuple[judge.Seen, judge.Lives, float]:
    """Waits until one program runs, the current release's, and answers."""

    def well() -> bool:
        current = steps.link(site.box.root / "apps" / APP / "current")
        programs, supervisors = boxes.running(site.box)
        runs = programs == ([current] if current else []) and supervisors == bool(current)
        return runs and (not current or client.answered_since(struck))

    _until(well, RECOVERY_S)
    recovered_s = time.monotonic() - struck
    found = judge.seen(site.box.root)
    programs, supervisors = boxes.running(site.box)
    proof = boxes.proof(site.box) if found.current else 0
    return found, judge.Lives(programs, supervisors, proof, client.answered_since(struck)), recovered_s


def _gone_back(site: Site, promise: judge.Promise, client: Client) -> list[str]:
    """Nobody comes to confirm: the box goes back by itself."""
    app = site.box.root / "apps" / APP
    if not _until(lambda: not any((app / mark).exists() for mark in judge.MARKS), RECOVERY_S):
        return ["the box did not go back by itself"]
    found, lives, _ = _recovered(site, client, time.monotonic())
    faults = judge.settled(promise, found, lives)
    if found.current != promise.before:
        faults.append(f"unconfirmed, the box went back to {promise.name(found.current)}")
    return faults


def _again(site: Site, trial: Trial, broken: Release, found: judge.Seen) -> list[str]:
    """The next deploy, undisturbed: the same command again, or another release where the broken one is there.

    Where the same command finds nothing to do, another release comes after it, and must find no trace.
    """
    faults: list[str] = []
    if "unconfirmed" not in found.marks:  # else the next deploy first goes back to what ran before
        site.current = next((one for one in site.releases[:3] if one.digest == found.current), None)
    if found.current == broken.digest and trial.number % 2:
        faults = _deployed(site, broken, "the same again")
        # Where it did nothing, a lease that ends by itself may lie there, and who was killed left his name.
        faults = [fault for fault in faults if not fault.endswith((" is left", " changing is there"))]
    if not faults:
        new = broken if broken in site.releases[:3] and site.current is not broken else site.next()
        faults = _deployed(site, new, "the next deploy")
    site.link.cut()  # what waits for the end of a link that fell silent
    if faults:
        site.current = None  # the next trial begins with a clean box
    return faults


def _deployed(site: Site, new: Release, name: str) -> list[str]:
    promise = site.promise(new)
    code = site.deploy(new)
    if code != 0:
        return [f"{name} ended with {code}: {site.last_words()}"]
    with site.asked() as client:
        found, lives, _ = _recovered(site, client, time.monotonic())
        answers = client.stop()
    return [
        f"after {name}: {fault}" for fault in judge.again(promise, found, lives) + _client_faults(answers)
    ]


def _client_faults(answers: Answers) -> list[str]:
    return [f"{answers.wrong} wrong answers"] if answers.wrong else []


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
