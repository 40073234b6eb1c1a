"""gcc on a node, over SSH: the last resort, where nothing else has the box's compiler.

CMake and Ninja run here. Each call of the compiler is handed to this process (``node_call.py``), carried out
on the node in a temporary folder that has the same tree of files, and what it made comes back. So a build
differs in nothing else: what has changed is compiled, errors name the user's files, and the result is held to
the same checks. The folder goes with the connection, whichever of the two ends first.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import socketserver
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

from edgepack.box.endpoint import Endpoint
from edgepack.box.errors import UnreachableError
from edgepack.box.link import Link, Stream, connect
from edgepack.compile.toolchains import elsewhere, node_files
from edgepack.compile.toolchains.elsewhere import Wanted
from edgepack.compile.toolchains.site import Site
from edgepack.compile.toolchains.toolchain import Toolchain
from edgepack.errors import EdgepackError, InputError, ToolError
from edgepack.manifest import fleet

ASK_S = 60.0  # for an answer to a question
CALL_S = 1800.0  # for one file: ncnn's largest take minutes on a small processor
SESSION_S = 4 * 3600.0  # for all of one library or program
MOST_SAID = 4 << 20  # bytes of an answer, or of a compiler's words
MOST_CALLS = 6  # at once: sshd takes ten sessions of a connection

_CALL = Path(__file__).with_name("node_call.py")

# The folder lives as long as the connection, and with it all that was started there.
_KEEP = r"""
umask 077
top=$(mktemp -d "${TMPDIR:-/var/tmp}/edgepack-XXXXXXXX" || mktemp -d) || exit 1
mkdir "$top/.edgepack" && echo "top=$top" || exit 1
echo "cores=$(nproc 2>/dev/null || echo 1)"
echo "memory=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo 2>/dev/null)"
echo ready
trap : HUP TERM INT
cat >/dev/null
for sign in TERM KILL; do
  for file in "$top"/.edgepack/*.pid; do
    [ -f "$file" ] && read -r pid <"$file" && kill -$sign -- "-$pid" 2>/dev/null
  done
  rm -rf "$top" && break
done
rm -rf "$top"
echo gone
"""

# One call. The shell is its session's first process, so that its number is that of all it starts.
_RUN = r"""
cd {top} || exit 1
echo $$ >.edgepack/{number}.pid
mkdir -p {folders}
limit=$(command -v timeout) && limit="$limit {seconds}"
(cd {cwd} && exec $limit {words}) </dev/null >.edgepack/{number}.said 2>&1
echo $? >.edgepack/{number}.status
set -- .edgepack/{number}.status .edgepack/{number}.said
for file in {outputs}; do [ -f "$file" ] && set -- "$@" "$file"; done
tar -cf - "$@"
rm -f .edgepack/{number}.*
"""


def endpoint(name: str, project: Path | None) -> Endpoint:
    """How the node of fleet.yaml is reached. Raises InputError."""
    known = fleet.load(project) if project else fleet.Fleet()
    node = known.nodes.get(name)
    if node is None or project is None:
        raise fleet.unknown(name, known.nodes)
    if node.address == fleet.SANDBOX:
        raise InputError(
            f"{name} is a sandbox: it has this host's own compiler",
            where=fleet.FILE,
            fix="`toolchain: gcc`",
        )
    return Endpoint(
        node=name,
        host=node.address,
        port=node.port,
        user=node.user,
        identity=project / Path(node.identity).expanduser() if node.identity else None,
        host_key=node.host_key,
        jump=node.jump,
        transport=node.transport,
    )


def ask(wanted: Wanted, project: Path) -> elsewhere.Facts:
    """What the node's compiler is. Raises as ``opened`` does."""
    with _linked(wanted, project) as link:
        return _facts(link, wanted)


@contextlib.contextmanager
def opened(wanted: Wanted, site: Site, progress: Callable[[str], None]) -> Iterator[Toolchain]:
    """The node's gcc, while the connection stands.

    Raises InputError for a node that nobody knows, UnreachableError, HostKeyError, and ToolError where the
    node has no compiler, or another one than the plan was made for.
    """
    word = wanted.word
    with _linked(wanted, site.project) as link:
        found = _facts(link, wanted)
        if word.identity and found.identity != word.identity:
            raise ToolError(
                f"{word.name} has another compiler than toolchain.lock.json says",
                where=word.name,
                why=f"{found.identity}, not {word.identity}",
                fix=f"where that is meant, remove `{word.asked}` from toolchain.lock.json and build again",
            )
        with _kept(link, word.name) as (top, most), _Calls.listening(link, site, top, most) as calls:
            progress(f"sending sources to {word.name}")
            count = calls.mirror.send_first()
            progress(f"{count} files are on {word.name}")
            tools = elsewhere.toolchain(found, wanted, calls.words)
            facts = {**tools.facts, "node": word.name, "identity": found.identity}
            texts = _texts(link) if site.texts else {}
            try:
                yield replace(tools, identity=found.identity, texts=texts, facts=facts, cached=False)
            except Exception as error:
                if calls.failure is not None:
                    raise calls.failure from error
                raise


@contextlib.contextmanager
def _linked(wanted: Wanted, project: Path | None) -> Iterator[Link]:
    at = endpoint(wanted.word.name, project)
    link = connect(at)
    try:
        yield link
    except OSError as error:
        raise _broke(at.where, str(error) or type(error).__name__) from error
    finally:
        link.close()


def _broke(where: str, why: str) -> UnreachableError:
    return UnreachableError(
        "the connection to the node broke while it compiled",
        where=where,
        why=why,
        fix="run the same command again; what was compiled is kept",
    )


def _facts(link: Link, wanted: Wanted) -> elsewhere.Facts:
    asked = elsewhere.asked(wanted.word, wanted.arch)
    words = [f"{key}={shlex.quote(value)}" for key, value in asked.items()]
    script = "\n".join((*words, "CC= CXX= LC_ALL=C", elsewhere.PROBE))
    said = _said(link, script).decode("utf-8", "replace")
    place = elsewhere.Place(
        f"the node {wanted.word.name}",
        "install them there, on Debian: sudo apt-get install g++; or another `toolchain:`",
    )
    return elsewhere.facts(said, wanted, place)


def _texts(link: Link) -> dict[str, bytes]:
    """``gcc.txt`` and ``glibc.txt``, as far as the node has them."""
    lines = (line.split(" ", 1) for line in _said(link, elsewhere.TEXTS).decode().splitlines())
    return {f"{what}.txt": _said(link, f"cat -- {shlex.quote(file)}") for what, file in lines}


def _said(link: Link, script: str, data: Iterable[bytes] = (), silence_s: float = ASK_S) -> bytes:
    """What a script said. Raises OSError where it did not end well, or says more than an answer."""
    with link.run(f"exec sh -c {shlex.quote(script)}", silence_s) as stream:
        with contextlib.suppress(BrokenPipeError):
            for chunk in data:
                stream.send(chunk)
            stream.end()
        out, err = b"", bytearray()
        while chunk := stream.read(err):
            out += chunk
            if len(out) + len(err) > MOST_SAID:
                raise OSError("it says more than an answer")
        if stream.status() != 0:
            raise OSError(err.decode("utf-8", "replace").strip()[-500:] or "it ended without a word")
        return out


@contextlib.contextmanager
def _kept(link: Link, name: str) -> Iterator[tuple[str, int]]:
    """A folder on the node while the block runs, and how many calls it takes at once."""
    with link.run(f"exec sh -c {shlex.quote(_KEEP)}", ASK_S) as stream:
        said, err = b"", bytearray()
        while b"ready\n" not in said and (chunk := stream.read(err)):
            said += chunk
        facts = dict(
            line.split("=", 1) for line in said.decode("utf-8", "replace").splitlines() if "=" in line
        )
        top = facts.get("top", "")
        if not top.startswith("/") or b"ready\n" not in said:
            raise ToolError(
                f"no temporary folder on {name}",
                why=err.decode("utf-8", "replace").strip()[-500:] or "mktemp gives none",
                fix="free some space below /var/tmp on it",
            )
        try:
            yield top, _most(facts)
        finally:
            with contextlib.suppress(OSError):
                stream.end()
                while stream.read(err):  # until it says that all is gone
                    pass


def _most(facts: dict[str, str]) -> int:
    """A compiler of our C++ wants up to 700 MB."""
    cores, memory = (int(facts.get(key) or 0) if facts.get(key, "").isdigit() else 0 for key in _ROOM)
    return max(1, min(cores or 1, memory // 700_000 or 1, MOST_CALLS))


_ROOM = ("cores", "memory")


class _Calls:
    """Carries out calls of the compiler, each in a thread of its own. failure: the link's, if it broke."""

    def __init__(self, link: Link, site: Site, top: str, most: int) -> None:
        self._link, self._site, self._top = link, site, top
        self.mirror = node_files.Mirror(site, top, self._send)
        self.failure: EdgepackError | None = None
        self._slots = threading.Semaphore(most)
        self._count, self._lock = 0, threading.Lock()
        self._end = time.monotonic() + SESSION_S

    def words(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """What calls a tool of the node from here; the same in each build of the same folder."""
        return (sys.executable, "-IS", str(_CALL), str(self._note), *words)

    @property
    def _note(self) -> Path:
        return self._site.writes[0] / "node-calls"

    @classmethod
    @contextlib.contextmanager
    def listening(cls, link: Link, site: Site, top: str, most: int) -> Iterator[_Calls]:
        calls = cls(link, site, top, most)
        with tempfile.TemporaryDirectory(prefix="edgepack-") as folder:
            place = f"{folder}/s"
            site.writes[0].mkdir(parents=True, exist_ok=True)
            calls._note.write_text(place)
            with _Server(place, _Handler) as server:
                server.calls = calls
                thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
                thread.start()
                try:
                    yield calls
                finally:
                    server.shutdown()
                    calls._note.unlink(missing_ok=True)

    def call(self, words: list[str], cwd: Path) -> tuple[int, str]:
        """Exit status and words of one call. Never raises for what goes wrong on the way."""
        with self._slots:
            try:
                if self.failure is not None:
                    raise self.failure
                if time.monotonic() > self._end:
                    raise ToolError(
                        f"the node is not done after {SESSION_S / 3600:.0f} hours",
                        fix="run the same command again; what was compiled is kept",
                    )
                return self._call(words, cwd)
            except EdgepackError as error:
                self.failure = self.failure or error
            except (OSError, tarfile.TarError, ValueError) as error:
                self.failure = self.failure or _broke(str(cwd), str(error) or type(error).__name__)
            return 255, f"{self.failure.what}: {self.failure.why}\n"

    def _call(self, words: list[str], cwd: Path) -> tuple[int, str]:
        self.mirror.send_new()
        with self._lock:
            self._count += 1
            number = self._count
        made = node_files.outputs(words, cwd)
        script = _RUN.format(
            top=shlex.quote(self._top),
            number=number,
            folders=shlex.join({_below(path.parent) for path in made} | {_below(cwd)}),
            cwd=shlex.quote(_below(cwd)),
            seconds=int(CALL_S),
            words=shlex.join(self.mirror.words(words)),
            outputs=shlex.join(map(_below, made)),
        )
        with self._link.run("exec sh -s", CALL_S + ASK_S) as stream:
            with contextlib.suppress(BrokenPipeError):
                stream.send(script.encode("utf-8", "surrogateescape"))
                stream.end()
            said = self.mirror.take(cast("IO[bytes]", _Reader(stream)), made)
        status = said[".status"].decode("ascii", "replace").strip() if ".status" in said else ""
        if not status.isdigit():
            raise OSError("the node did not say how the compiler ended")
        text = self.mirror.here(said.get(".said", b"")[:MOST_SAID].decode("utf-8", "replace"))
        if int(status) == 124:
            text += f"\nerror: the node's compiler was not done after {CALL_S:.0f} s\n"
        return int(status), text

    def _send(self, chunks: Iterable[bytes]) -> None:
        _said(self._link, f"cd {shlex.quote(self._top)} && tar -xzf -", chunks, CALL_S)


class _Reader:
    """A stream of the link's as what tarfile reads from."""

    def __init__(self, stream: Stream) -> None:
        self._stream, self._rest, self._err = stream, b"", bytearray()

    def read(self, size: int) -> bytes:
        while len(self._rest) < size:
            chunk = self._stream.read(self._err)
            if not chunk:
                break
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64
    calls: _Calls


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        server = cast("_Server", self.server)
        words = ["-MMD" if word == "-MD" else word for word in asked["words"]]
        status, output = server.calls.call(words, Path(asked["cwd"]))
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(json.dumps({"status": status, "output": output}).encode() + b"\n")


def _below(path: Path) -> str:
    """A path of this host's in the folder there; ``.`` and / are the folder itself."""
    return str(path).lstrip("/") or "."
