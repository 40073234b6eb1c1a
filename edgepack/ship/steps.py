"""What a deploy would do, in sentences, for a dry run."""

from __future__ import annotations

from edgepack.box.endpoint import Endpoint
from edgepack.box.facts import Facts
from edgepack.bundle import Bundle
from edgepack.ship import made, preflight, proof, trust
from edgepack.ship.activate import Health
from edgepack.ship.window import Window


def window(hours: Window | None) -> tuple[str, ...]:
    """That it waits for its hours."""
    return (f"wait for the hours {hours.words()}, which it keeps to",) if hours else ()


def of(endpoint: Endpoint, bundle: Bundle, facts: Facts, way: str) -> tuple[str, ...]:
    """From what is sent to what is confirmed. ``way``: a sentence on how it is to run, or nothing."""
    lacking = preflight.missing(bundle, facts)
    size = preflight.mib(sum(file.size for file in lacking))
    release = bundle.digest.removeprefix("sha256:")
    current = facts.current.get(bundle.name)
    golden = any(file.layer == "golden" for file in bundle.files)
    return tuple(
        step
        for step in (
            f"send {len(lacking)} of {len(bundle.files)} files, {size}, and compare each sha256"
            if lacking
            else "",
            _signature_step(bundle, facts),
            f"stage release {release[:12]}",
            _make_step(bundle),
            way,
            _golden_step(endpoint, current) if golden else "",
            *_hook_steps(bundle, _switch_step(current, release)),
            f"watch its health for at most {Health.of(bundle.release).timeout} s",
            "ask the release's own probe" if Health.of(bundle.release).hooks.healthy else "",
            "confirm",
        )
        if step
    )


def _signature_step(bundle: Bundle, facts: Facts) -> str:
    signature = trust.choose(bundle, facts).signature
    return f"have the box check that {facts.keys[signature.key]} signed it" if signature else ""


def _golden_step(endpoint: Endpoint, current: str | None) -> str:
    step = "run the golden vectors through the program on the box"
    if current is None or endpoint.pause == "never":
        return step
    if endpoint.pause == "always":
        return f"pause the program that runs, for at most {proof.LIMIT_S} s, and {step}"
    return f"{step}; where it does not fit beside the one that runs, that is paused for it"


def _make_step(bundle: Bundle) -> str:
    on_box = made.OnBox.of(bundle.release)
    return f"have the box make {', '.join(on_box.files)}, in at most {on_box.seconds} s" if on_box else ""


def _hook_steps(bundle: Bundle, switch: str) -> tuple[str, ...]:
    hooks = Health.of(bundle.release).hooks
    before = f"run the hook before-switch, for at most {hooks.before} s" if hooks.before else ""
    return before, switch, f"run the hook after-switch, for at most {hooks.after} s" if hooks.after else ""


def _switch_step(current: str | None, release: str) -> str:
    if current is None:
        return "switch to the first release"
    if current == release:
        return "start it again: it is the current release, and does not run as it should"
    return f"switch from {current[:12]}"
