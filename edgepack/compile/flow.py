"""Where a program's inputs come from and its answers go, as what is rendered needs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from edgepack.errors import InputError
from edgepack.manifest.project import Manifest

_RESERVED = ("status.json", "status.json.tmp", ".lock")  # what the program itself keeps in its data folder


@dataclass(frozen=True)
class FlowSpec:
    """source: a folder, or empty where ``entry`` of the project's own ``code`` makes the source.

    source and sinks are paths inside the app's data folder. fps: 0 sets no limit.
    """

    source: str = "inbox"
    sinks: tuple[str, ...] = ("results.jsonl",)
    code: str = ""
    entry: str = ""
    depth: int = 4
    drop_oldest: bool = False
    fps: float = 0
    stuck_s: float = 120
    metrics_address: str = ""
    metrics_port: int = 0  # 0: no metrics


def flow_of(manifest: Manifest) -> FlowSpec:
    """The manifest's."""
    source, queue, metrics = manifest.source, manifest.queue, manifest.metrics
    return FlowSpec(
        source="" if source.code else source.path,
        sinks=tuple(sink.path for sink in manifest.sinks),
        code=str(PurePosixPath(source.code)) if source.code else "",
        entry=source.entry or "",
        depth=queue.depth,
        drop_oldest=queue.when_full == "drop_oldest",
        fps=source.fps or 0,
        stuck_s=manifest.watchdog.seconds,
        metrics_address=metrics.address if metrics else "",
        metrics_port=metrics.port if metrics else 0,
    )


def check_flow(flow: FlowSpec) -> None:
    """Refuse what would write into its own source, or over the program's own files. Raises InputError."""
    source = PurePosixPath(flow.source) if flow.source else None
    for sink in map(PurePosixPath, flow.sinks):
        lies_in = source and (sink.is_relative_to(source) or source.is_relative_to(sink))
        if lies_in or (source and str(source) == "."):
            raise InputError(
                f"the source {source} and the sink {sink} lie in one another",
                where="edgepack.yaml",
                fix="give each its own path, like inbox and results.jsonl",
            )
    for path in (*([source] if source else []), *map(PurePosixPath, flow.sinks)):
        if str(path) in _RESERVED or path.is_absolute() or ".." in path.parts:
            raise InputError(f"{path} cannot be a source or a sink", where="edgepack.yaml")
