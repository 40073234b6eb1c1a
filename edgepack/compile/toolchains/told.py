"""What the compilers in containers and on nodes were found to be, for a plan's keys.

An image's digest is asked of the engine that has it, each time. A node is not asked for each plan: what its
compiler was found to be lies in ``toolchain.lock.json``, which the user keeps, and a build holds it to that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgepack.catalog import targets as catalogue
from edgepack.catalog.toolchains import Elsewhere, elsewhere
from edgepack.compile.toolchains import container
from edgepack.errors import InputError
from edgepack.manifest.project import Project
from edgepack.plan.toolchain import asked

LOCK = "toolchain.lock.json"
VERSION = 1


def told(project: Project, targets: Iterable[str]) -> dict[str, str]:
    """A compiler elsewhere, as the manifest names it, → with its identity: ``Here.toolchains``.

    An image that is not there is ``absent``: whoever compiles says so. A node that was never asked has none.
    """
    found, locked = {}, _locked(project.folder)
    for _, word in _named(project, targets):
        if word.kind == "container":
            found[word.asked] = str(replace(word, identity=container.identity(word.name)))
        elif word.asked in locked:
            found[word.asked] = str(replace(word, identity=locked[word.asked]["identity"]))
    return found


def record(project: Project, targets: Iterable[str]) -> None:
    """Ask each node that was never asked what its compiler is, and write it down.

    Raises what reaching it does, and ToolError where it has none.
    """
    locked = _locked(project.folder)
    for target, word in _named(project, targets):
        arch = catalogue.load(target, project.folder).known_arch
        if word.kind != "node" or word.asked in locked or arch is None:
            continue
        from edgepack.catalog.architectures import architecture
        from edgepack.compile.toolchains import node
        from edgepack.compile.toolchains.elsewhere import Wanted

        facts = node.ask(Wanted(word, architecture(arch), None, ""), project.folder)
        about = {"identity": facts.identity, "gcc": facts.version, "glibc": facts.glibc}
        locked[word.asked] = {**about, "machine": facts.machine}
        body = {LOCK: VERSION, "nodes": locked}
        (project.folder / LOCK).write_text(json.dumps(body, indent=1, sort_keys=True) + "\n")


def _named(project: Project, targets: Iterable[str]) -> Iterator[tuple[str, Elsewhere]]:
    for target in targets:
        word = asked(project.manifest.targets[target])
        named = elsewhere(word) if word else None
        if named is not None:
            yield target, named


def _locked(folder: Path) -> dict[str, dict[str, Any]]:
    """What is written down: a node, as the manifest names it, → what its compiler is. Raises InputError."""
    file = folder / LOCK
    if not file.exists():
        return {}
    try:
        body = json.loads(file.read_bytes())
        nodes = body["nodes"]
        if body[LOCK] != VERSION or not all(isinstance(one["identity"], str) for one in nodes.values()):
            raise ValueError("it is of another version, or has no identity")
        return dict(nodes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{LOCK} cannot be read",
            where=str(file),
            why=str(error) or type(error).__name__,
            fix="take it from git again, or remove it: the next build asks the nodes and writes it anew",
        ) from error
