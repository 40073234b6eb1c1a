"""From a node's name on the command line to where the box is: the fleet file, or a sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgepack.box.endpoint import Endpoint
    from edgepack.manifest.fleet import Node


@dataclass(frozen=True)
class Found:
    """A node: its target, and how it is reached."""

    name: str
    target: str
    endpoint: Endpoint


def target_of(folder: Path, name: str) -> str:
    """The target of a node, up or not. Raises InputError for a node that nobody knows."""
    from edgepack.manifest import fleet
    from edgepack.sandbox import box as sandbox

    known = fleet.load(folder)
    if name in known.nodes:
        return known.nodes[name].target
    state = sandbox.find(folder, name)
    if state is None:
        raise fleet.unknown(name, known)
    return state.target


def find(folder: Path, name: str) -> Found:
    """The node, ready to be connected to. Raises InputError: unknown, or a sandbox that is not up."""
    from edgepack.manifest import fleet

    known = fleet.load(folder)
    node = known.nodes.get(name)
    if node is not None and node.address != fleet.SANDBOX:
        return Found(name, node.target, _real(folder, name, node))
    if node is None and not _sandbox_exists(folder, name):
        raise fleet.unknown(name, known)
    return _sandbox(folder, name, node)


def names(folder: Path) -> list[str]:
    """All nodes: the fleet's, then sandboxes that are in no fleet."""
    from edgepack.manifest import fleet
    from edgepack.sandbox import box as sandbox

    fleet_names = list(fleet.load(folder).nodes)
    return fleet_names + [s.node for s in sandbox.list_all(folder) if s.node not in fleet_names]


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
        root=node.root,
    )


def _sandbox_exists(folder: Path, name: str) -> bool:
    from edgepack.sandbox import box as sandbox

    return sandbox.find(folder, name) is not None


def _sandbox(folder: Path, name: str, node: Node | None) -> Found:
    from edgepack.box.endpoint import Endpoint
    from edgepack.errors import InputError
    from edgepack.sandbox import box as sandbox

    state = sandbox.find(folder, name)
    if state is None or not sandbox.is_up(folder, name):
        target = node.target if node else state.target if state else "TARGET"
        raise InputError(
            f"the sandbox {name} is not up",
            where="fleet.yaml" if node else "",
            fix=f"edgepack sandbox up {name} --target {target}",
        )
    if node is not None and node.target != state.target:
        raise InputError(
            f"the sandbox {name} is a {state.target}, and fleet.yaml says {node.target}",
            where="fleet.yaml",
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
    return Found(name, state.target, endpoint)
