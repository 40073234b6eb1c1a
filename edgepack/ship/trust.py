"""Signatures on the way to a box that is enrolled: which one it will take, and why it would take none."""

from __future__ import annotations

from dataclasses import dataclass

from edgepack.box.errors import BoxError
from edgepack.box.facts import Facts
from edgepack.box.session import Box
from edgepack.bundle import Bundle
from edgepack.signature import Signature, holds


@dataclass(frozen=True)
class Choice:
    """The signature to send, or in words why there is none that this box takes, and what to do."""

    signature: Signature | None = None
    why: str = ""
    fix: str = ""


def choose(bundle: Bundle, facts: Facts) -> Choice:
    """The newest signature by a key of the box. One that is not of its key is as none."""
    if facts.enrolled is None:
        return Choice()
    sign = f"edgepack sign {bundle.target} --key KEY"
    names = ", ".join(facts.keys.values())
    if not bundle.signatures:
        return Choice(
            None, "the bundle is not signed, and the box takes signed ones only", f"{sign}  ({names})"
        )
    known = [one for one in bundle.signatures if one.key in facts.keys]
    if not known:
        why = f"the bundle is signed, but by none of the keys that the box was enrolled with: {names}"
        return Choice(None, why, sign)
    good = [one for one in known if holds(one)]
    if not good:
        return Choice(None, "the bundle's signature is not one of the key that it names", sign)
    best = max(good, key=lambda one: one.statement.serial)
    newest = facts.serials.get(bundle.name, 0)
    if best.statement.serial < newest:
        why = (
            f"the bundle was signed as number {best.statement.serial}, and number {newest} of {bundle.name} "
            "has run on the box"
        )
        return Choice(None, why, f"where the older one is meant, sign it again: {sign}")
    return Choice(best)


def authorise(box: Box, token: str, bundle: Bundle, facts: Facts) -> str:
    """Show the box the signature, for the time of this deploy; the key's name, "" where none is asked for.

    Raises BoxError where the box finds that it does not hold.
    """
    if facts.enrolled is None:
        return ""
    choice = choose(bundle, facts)
    if choice.signature is None:
        raise BoxError(choice.why, "unsigned", where=box.endpoint.where, fix=choice.fix)
    box.call("authorise", token, choice.signature.value, stdin=[choice.signature.text])
    return facts.keys[choice.signature.key]
