"""Whether a target's program can read an encrypted model: before anything is converted or compiled."""

from __future__ import annotations

from edgepack.catalog.runtimes import FROM_MEMORY
from edgepack.errors import InputError
from edgepack.plan.program_steps import has_program
from edgepack.plan.snapshot import Snapshot
from edgepack.plan.step import Choice


def encrypted_words(snapshot: Snapshot) -> dict[str, str]:
    """For a plan that is explained: which key, and what updates cost."""
    said = snapshot.project.manifest.encryption
    if said is None:
        return {}
    line = snapshot.project.document.line(("encryption",))
    cost = "of an update each 64 KiB in which anything changed go whole, not as differences"
    return {"encryption": f"the key {said.id}: {cost} (edgepack.yaml:{line})"}


def check_encryption(snapshot: Snapshot, choice: Choice) -> None:
    """Raises InputError where edgepack.yaml has `encryption`, and the model would lie on the box plain."""
    document, target = snapshot.project.document, choice.target.id
    if snapshot.project.manifest.encryption is None:
        return
    if choice.runtime not in FROM_MEMORY:
        why = f"edgepack's program gives {choice.runtime} its model as a file"
    elif not has_program(snapshot, choice):
        why = "its model is handed over in files, without a program that could decrypt them"
    else:
        return
    runtimes = ", ".join(sorted(FROM_MEMORY))
    raise InputError(
        f"the model cannot be encrypted for {target}",
        where=f"edgepack.yaml:{document.line(('encryption',))}",
        why=f"{why}, and a plain copy on the box would be what was to be avoided",
        fix=f"a runtime that takes it from memory ({runtimes}); or a project of its own for {target}",
    )
