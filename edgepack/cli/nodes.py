"""From a node's name on the command line to where the box is: the fleet file, or a sandbox."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.box.endpoint import Endpoint
    from edgepack.errors import InputError
    from edgepack.manifest.fleet import Fleet, Node
    from edgepack.manifest.secrets import SecretSource


@dataclass(frozen=True)
class Found:
    """A node: its target, and how it is reached."""

    name: str
    target: str
    endpoint: Endpoint
    secrets: Mapping[str, SecretSource] | None = None  # where they come from; None: they are left alone
    line: str = ""  # `fleet.yaml:3`: what to correct where it is not reached, or is another box
    zone: str | None = None  # the site's time zone; None: this host's
    not_tried: str = ""  # how fleet.yaml would have it run, where a sandbox runs it as a plain process

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """An error on the way to the node also names its line."""
        from edgepack.errors import EdgepackError

        try:
            yield
        except EdgepackError as error:
            if self.line and error.where == self.endpoint.where:
                error.where = f"{error.where}, {self.line}"
            raise


def target_of(folder: Path, name: str, known: Fleet | None = None) -> str:
    """The target of a node, up or not. Raises InputError for a node that nobody knows.

    known: the fleet, where it is read already: what it includes may be a program.
    """
    from edgepack.manifest import fleet
    from edgepack.sandbox import box as sandbox

    known = known or fleet.load(folder)
    if name in known.nodes:
        _check_target(folder, name, known.nodes[name])
        return known.nodes[name].target
    state = sandbox.find(folder, name)
    if state is None:
        raise _unknown(folder, name, known)
    return state.target


def find(folder: Path, name: str, known: Fleet | None = None) -> Found:
    """The node, ready to be connected to. Raises InputError: unknown, or a sandbox that is not up."""
    from edgepack.manifest import fleet

    known = known or fleet.load(folder)
    node = known.nodes.get(name)
    if node is not None:
        _check_target(folder, name, node)
    if node is not None and node.runs == "k8s":
        raise _in_a_cluster(known.places[name], name, node)
    if node is not None and node.address != fleet.SANDBOX:
        place = known.places[name]
        return Found(name, node.target, _real(folder, name, node), node.secrets, place, node.zone)
    if node is None and not _sandbox_exists(folder, name):
        raise _unknown(folder, name, known)
    return _sandbox(folder, name, node, known.places.get(name, ""))


def in_a_cluster(folder: Path, name: str, known: Fleet | None = None) -> bool:
    """Whether what runs on that node is a cluster's (`runs: k8s`)."""
    from edgepack.manifest import fleet

    node = (known or fleet.load(folder)).nodes.get(name)
    return node is not None and node.runs == "k8s"


def meant(
    folder: Path, words: Sequence[str], exclude: Sequence[str], known: Fleet | None = None
) -> list[str]:
    """The nodes that somebody means, of the fleet's and of sandboxes in no fleet; no words: all.

    Raises InputError where a word means none.
    """
    from edgepack.manifest import fleet, selection
    from edgepack.sandbox import box as sandbox

    known = known or fleet.load(folder)
    facts = {name: selection.facts(name, node) for name, node in known.nodes.items()}
    for box in sandbox.list_all(folder):
        said = {"name": box.node, "target": box.target, "address": fleet.SANDBOX}
        facts.setdefault(box.node, dict.fromkeys(selection.KEYS, "") | said)
    for word in (*words, *exclude):
        if selection.is_one(word) and word not in facts:
            raise _unknown(folder, word, known)
    return selection.select(words, exclude, facts)


def _unknown(folder: Path, name: str, known: Fleet) -> InputError:
    """The error for a node that nobody knows; in a folder that is no project, for that."""
    from edgepack import document
    from edgepack.manifest import fleet, project

    document.read(folder.absolute() / project.FILE, project.FILE)
    return fleet.unknown(name, known.nodes)


def _check_target(folder: Path, name: str, node: Node) -> None:
    """Refuse a target that is none, at its line."""
    from edgepack.catalog import targets
    from edgepack.manifest import fleet, inventory

    known = targets.find(folder)
    if node.target not in known:
        written = inventory.find(fleet.documents(folder), name)
        raise written.wrong("target", f"there is no target `{node.target}`", targets.near(node.target, known))


def _in_a_cluster(place: str, name: str, node: Node) -> InputError:
    from edgepack.errors import InputError

    return InputError(
        f"{name} is a node of a cluster",
        where=place,
        why="`runs: k8s`: what runs there is the cluster's to start, to watch and to log",
        fix=f"edgepack export kubernetes, then edgepack apply{f' {node.site}' if node.site else ''}",
    )


def _real(folder: Path, name: str, node: Node) -> Endpoint:
    from edgepack.box.endpoint import Endpoint

    identity = (folder / Path(node.identity).expanduser()) if node.identity else None
    return Endpoint(
        node=name,
        host=node.address,
        port=node.port,
        user=node.user,
        identity=identity,
        host_key=node.host_key,
        jump=node.jump,
        transport=node.transport,
        pause=node.pause,
        root=node.root,
        runs=node.runs,
        memory_mb=node.limits.memory_mb,
        cpu_percent=node.limits.cpu_percent,
        at_boot=node.boot == "auto",
    )


def _sandbox_exists(folder: Path, name: str) -> bool:
    from edgepack.sandbox import box as sandbox

    return sandbox.find(folder, name) is not None


def _sandbox(folder: Path, name: str, node: Node | None, line: str) -> Found:
    from edgepack.box.endpoint import Endpoint
    from edgepack.errors import InputError
    from edgepack.sandbox import box as sandbox

    state = sandbox.find(folder, name)
    if state is None or not sandbox.is_up(folder, name):
        target = node.target if node else state.target if state else "TARGET"
        raise InputError(
            f"the sandbox {name} is not up",
            where=line,
            fix=f"edgepack sandbox up {name}" + ("" if node else f" --target {target}"),
        )
    if node is not None and node.target != state.target:
        raise InputError(
            f"the sandbox {name} is a {state.target}, and fleet.yaml says {node.target}",
            where=line,
            fix=f"edgepack sandbox down {name}; edgepack sandbox up {name}",
        )
    runs = f"{state.arch} by qemu-user" if state.emulator else state.arch
    endpoint = Endpoint(
        node=name,
        host="127.0.0.1",
        port=state.port,
        user=state.user,
        identity=Path(state.identity),
        host_key=state.host_key,
        # Relative to the account's home there, which may lie below any folder of the user's.
        root=Path(state.root).name,
        description=f"sandbox, {runs}",
    )
    if node is None:
        return Found(name, state.target, endpoint, None, line)
    other = node.runs if node.runs != "process" else ""
    return Found(name, state.target, endpoint, node.secrets, line, node.zone, other)
