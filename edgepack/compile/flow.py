"""Where a program's inputs come from and its answers go, as what is rendered needs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from edgepack.compile.made import Made
from edgepack.compile.sinks import sink_of
from edgepack.compile.sources import SERVER, source_of
from edgepack.errors import InputError
from edgepack.manifest.project import Manifest
from edgepack.manifest.sources import STREAMS, CodeSource, V4l2Source

_RESERVED = ("status.json", "status.json.tmp", ".lock")  # what the program itself keeps in its data folder


@dataclass(frozen=True)
class FlowSpec:
    """source: a folder, or one that is made; empty where ``entry`` of the project's own ``code`` makes it.

    Paths are inside the app's data folder. fps: 0 sets no limit.
    """

    source: str | Made = "inbox"
    sinks: tuple[str | Made, ...] = ("results.jsonl",)
    code: str = ""
    entry: str = ""
    depth: int = 4
    drop_oldest: bool = False
    fps: float = 0
    stuck_s: float = 120
    metrics_address: str = ""
    metrics_port: int = 0  # 0: no metrics

    @property
    def made(self) -> tuple[Made, ...]:
        """Source and sinks that are made."""
        return tuple(one for one in (self.source, *self.sinks) if isinstance(one, Made))

    @property
    def headers(self) -> tuple[str, ...]:
        """What declares those, and the folders and files."""
        found = {one.header for one in self.made}
        found |= {"files_source.hpp"} if isinstance(self.source, str) and not self.entry else set()
        found |= {"jsonl_sink.hpp"} if any(isinstance(sink, str) for sink in self.sinks) else set()
        return tuple(sorted(found))

    @property
    def files(self) -> tuple[str, ...]:
        """Of ``src/``, what only some programs have, each once."""
        metrics = (*SERVER, "metrics.cpp") if self.metrics_port else ()
        return tuple(sorted({file for one in self.made for file in one.files} | set(metrics)))


def flow_of(manifest: Manifest, target: str = "") -> FlowSpec:
    """The manifest's, for the target of that name."""
    source, queue, metrics = manifest.source, manifest.queue, manifest.metrics
    code = source if isinstance(source, CodeSource) else None
    return FlowSpec(
        source=source_of(source, target),
        sinks=tuple(sink_of(sink, name) for name, sink in zip(_names(manifest), manifest.sinks, strict=True)),
        code=str(PurePosixPath(code.code)) if code else "",
        entry=code.entry if code else "",
        depth=queue.depth,
        drop_oldest=queue.when_full == "drop_oldest",
        # What nobody wants these leave out themselves, before it is copied.
        fps=0 if isinstance(source, (*STREAMS, V4l2Source)) else source.fps or 0,
        stuck_s=manifest.watchdog.seconds,
        metrics_address=metrics.address if metrics else "",
        metrics_port=metrics.port if metrics else 0,
    )


def _names(manifest: Manifest) -> Iterator[str]:
    """``http-1``: of what a sink keeps on the box. By its place, so that a new release finds it again."""
    seen: dict[str, int] = {}
    for sink in manifest.sinks:
        seen[sink.kind] = seen.get(sink.kind, 0) + 1
        yield f"{sink.kind}-{seen[sink.kind]}"


def check_flow(flow: FlowSpec, outputs: Sequence[str] | None = ()) -> None:
    """Refuse what would write into its own source, or over the program's own files. Raises InputError.

    outputs: the model's; None where nobody knows them yet.
    """
    for name in (name for one in flow.made for name in one.tensors):
        if outputs is not None and name not in outputs:
            raise InputError(
                f"the model has no output {name}, which the sink `tensors` is to send",
                where="edgepack.yaml",
                fix=f"it has: {', '.join(outputs)}",
            )
    source = PurePosixPath(flow.source) if isinstance(flow.source, str) and flow.source else None
    said = [sink if isinstance(sink, str) else sink.path for sink in flow.sinks]
    sinks = [PurePosixPath(path) for path in said if path]
    for sink in sinks:
        lies_in = source and (sink.is_relative_to(source) or source.is_relative_to(sink))
        if lies_in or (source and str(source) == "."):
            raise InputError(
                f"the source {source} and the sink {sink} lie in one another",
                where="edgepack.yaml",
                fix="give each its own path, like inbox and results.jsonl",
            )
    for path in (*([source] if source else []), *sinks):
        if str(path) in _RESERVED or path.parts[:1] == ("spool",) or path.is_absolute() or ".." in path.parts:
            raise InputError(f"{path} cannot be a source or a sink", where="edgepack.yaml")
