"""One project on one box, as a container sees it: its image, who it talks to, which files it is given."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from edgepack.catalog.targets import Target
from edgepack.errors import InputError
from edgepack.manifest import sinks
from edgepack.manifest.fleet import Node
from edgepack.manifest.picture_sinks import RtspSink, VideoSink
from edgepack.manifest.project import Manifest, Project
from edgepack.manifest.sinks import HttpSink, MailSink, MqttSink, RedisSink
from edgepack.manifest.sources import ANSWERS, STREAMS, CodeSource, FfmpegSource, GstreamerSource, V4l2Source
from edgepack.manifest.tensors import TensorsSink

DATA = "/data"
LOCAL = "localhost"  # stands for a registry in the names of images that were loaded, and pulled from none
USER = 65532  # of the images: docs/design/image-plan.md
# Programs of the box that ours starts for them.
_STARTS = {"ffmpeg": (FfmpegSource, VideoSink, RtspSink), "gst-launch-1.0": (GstreamerSource,)}
is_loopback = sinks.is_loopback
CPU_RUNTIMES = frozenset({"ncnn", "onnxruntime", "openvino", "litert"})  # the others have a device of theirs


@dataclass(frozen=True)
class Listener:
    """A port that the program listens on, and at which address, in numbers."""

    what: str
    port: int
    address: str


@dataclass(frozen=True)
class Peer:
    """Somebody that the program talks to. ``kind``: mqtt, redis, http, mail, stream."""

    kind: str
    host: str
    port: int
    user: str = ""
    password: bool = False


@dataclass(frozen=True)
class App:
    """What is to be known of one project to run its image on one kind of box."""

    name: str
    version: str
    form: str  # app or service
    target: Target
    runtime: str
    listeners: tuple[Listener, ...]
    peers: tuple[Peer, ...]
    files: tuple[str, ...]  # of the box, by whole paths, that the program reads
    secrets: tuple[str, ...]  # names, each the file `secrets/NAME` below the data folder
    missing: tuple[str, ...]  # `secrets/NAME` that the program reads and the fleet does not name
    start_s: int  # until it must be healthy
    own_source: bool  # what the user's own C++ talks to is not known
    starts: str  # programs that it starts, in words
    licensed: bool = False  # it asks for a licence of the box, the file `licence` in the data folder

    @property
    def image(self) -> str:
        """The image of this target, as `edgepack image` names it."""
        return f"{self.name}:{self.tag}"

    @property
    def tag(self) -> str:
        """Its tag; none has a `+`."""
        return f"{self.version.replace('+', '_')}-{self.target.id}"

    @property
    def health(self) -> list[str]:
        """The command in the image that exits 0 while the program is well."""
        return [self.name, "health", "--data", DATA]

    @property
    def has_device(self) -> bool:
        """Whether its runtime computes on a device, whose nodes the container needs."""
        return self.runtime not in CPU_RUNTIMES


def of(project: Project, target: Target, node: Node) -> App:
    """The app of that project on that box. Raises InputError for what no container can run."""
    manifest = project.manifest
    if manifest.form == "sdk":
        raise InputError(
            f"{manifest.name} is a library",
            where="edgepack.yaml",
            why="`form: sdk` is linked into somebody's program; there is nothing to start",
            fix="leave it out",
        )
    if manifest.encryption:
        raise InputError(
            f"the models of {manifest.name} are encrypted, and open in no container",
            where="encryption in edgepack.yaml",
            why="their key is bound to the box's hardware, whose serial number a container does not see",
            fix="deploy it to the box itself (`runs: process` or `systemd`), or leave out `encryption`",
        )
    target.arch  # noqa: B018 - raises where nobody knows for which platform the image is
    options = manifest.targets[target.id]
    read = list(_files(manifest))
    known = tuple(node.secrets or ())
    below = [path.removeprefix("secrets/") for path in read if path.startswith("secrets/")]
    return App(
        name=manifest.name,
        version=manifest.version,
        form=manifest.form,
        target=target,
        runtime=options.runtime or target.about.runtimes[0],
        listeners=tuple(_listeners(manifest)),
        peers=tuple(_peers(manifest)),
        files=tuple(dict.fromkeys(path for path in read if path.startswith("/"))),
        secrets=known,
        missing=tuple(dict.fromkeys(name for name in below if name not in known)),
        start_s=manifest.health.timeout,
        own_source=isinstance(manifest.source, CodeSource) and manifest.form == "app",
        starts=_starts(manifest),
        licensed=manifest.licence is not None,
    )


def _starts(manifest: Manifest) -> str:
    parts = () if manifest.form != "app" else (manifest.source, *manifest.sinks)
    return " and ".join(
        name for name, kinds in _STARTS.items() if any(isinstance(part, kinds) for part in parts)
    )


def is_any(address: str) -> bool:
    """Whether an address in numbers stands for all that the box has."""
    return ipaddress.ip_address(address).is_unspecified


def _listeners(manifest: Manifest) -> Iterator[Listener]:
    service, source = manifest.service, manifest.source
    if manifest.form == "service":
        if not service.http or service.grpc == 0:
            raise InputError(
                f"{manifest.name} listens on a port that nobody knows beforehand",
                where="edgepack.yaml: service",
                why="a port of 0 is drawn when the program starts, and a container must name it before",
                fix="give `http` and `grpc` numbers, or `grpc: null`",
            )
        yield Listener("http", service.http, service.address)
        if service.grpc:
            yield Listener("grpc", service.grpc, service.address)
        return
    if isinstance(source, ANSWERS):
        yield Listener("http", source.port, source.address)
    if manifest.metrics:
        yield Listener("metrics", manifest.metrics.port, manifest.metrics.address)


def _peers(manifest: Manifest) -> Iterator[Peer]:
    if manifest.form == "service":
        return
    for sink in manifest.sinks:
        if isinstance(sink, MqttSink | RedisSink | MailSink):
            yield Peer(sink.kind, sink.host, sink.port, sink.user, bool(sink.password_file))
        elif isinstance(sink, TensorsSink):
            yield Peer("http", sink.host, sink.port)
        elif isinstance(sink, RtspSink):
            # What stands in `url_file` is a secret.
            yield Peer("stream", urlsplit(sink.url or "").hostname or "", 0)
        elif isinstance(sink, HttpSink):
            url = urlsplit(sink.url)
            yield Peer("http", url.hostname or "", url.port or 80)
    source = manifest.source
    if isinstance(source, STREAMS) and (source.input is None or "://" in source.input):
        # What stands in `input_file` is a secret; most are streams of the network.
        url = urlsplit(source.input or "")
        yield Peer("stream", url.hostname or "", 0)


def _files(manifest: Manifest) -> Iterator[str]:
    """Files of the box that the program reads: whole paths, and those below its data folder."""
    if manifest.form == "service":
        return
    for sink in manifest.sinks:
        for key in ("password_file", "token_file", "url_file", "device"):
            if path := getattr(sink, key, None):
                yield path
    source = manifest.source
    if isinstance(source, V4l2Source):
        yield source.device
    elif isinstance(source, STREAMS):
        if source.input_file:
            yield source.input_file
        elif source.input and source.input.startswith("/"):
            yield source.input
