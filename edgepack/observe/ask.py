"""Ask the release that runs on a box: images into its inbox, its answers back."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgepack.box.endpoint import Endpoint
from edgepack.box.session import Box
from edgepack.errors import InputError
from edgepack.observe.errors import NoAnswerError
from edgepack.observe.status import NodeStatus, of

Progress = Callable[[str, int, int], None]  # stage, done, total (files)

_FOLLOW_S = 86_400
_CHUNK = 128 << 10
_BLOCK = 512
_ODD = re.compile(r"[^A-Za-z0-9._-]")


def ask(
    endpoint: Endpoint, app: str, files: Sequence[Path], progress: Progress, timeout_s: int = 60
) -> list[dict[str, Any]]:
    """The program's answers to ``files``, in their order; ``file`` is the name each has here.

    timeout_s: how long to wait without a new answer. Raises NoAnswerError where the program does
    not run or does not answer, InputError where a file cannot be read.
    """
    for file in files:
        _check_readable(file)
    with Box(endpoint) as box:
        node = of(endpoint.node, app, box.call("status", app))
        if not node.running:
            raise NoAnswerError(
                f"{app} does not answer on this box: {node.state}",
                where=endpoint.where,
                why=node.why,
                fix="edgepack logs shows its own words; edgepack deploy brings a release",
            )
        if not node.source or not node.sink:
            raise InputError(
                f"{app} on this box takes no files, or writes no file of answers",
                where=endpoint.where,
                why="`edgepack ask` feeds a source of `kind: files`, and reads a sink of `kind: jsonl`",
                fix="ask it where its own source listens; or add such a sink, and such a source",
            )
        token = secrets.token_hex(6)
        names = {_name(token, n, file): n for n, file in enumerate(files)}
        offset = _feed(box, node, token, names, files)
        progress("ask", 0, len(files))
        found: dict[int, dict[str, Any]] = {}
        refused = ""
        for name, answer in _answers(box, node, token, offset, timeout_s):
            if (n := names.get(name)) is not None and n not in found:
                if answer is None:
                    refused = name
                    break
                found[n] = {**answer, "file": files[n].name}
                progress("ask", len(found), len(files))
            if len(found) == len(files):
                break
        if refused:
            raise _rejected(box, app, refused, files[names[refused]])
    lost = [str(file) for n, file in enumerate(files) if n not in found]
    if lost:
        raise NoAnswerError(
            f"{app} answered {len(found)} of {len(files)} files in time; not {lost[0]}",
            where=endpoint.where,
            why=f"nothing more came within {timeout_s} s",
            fix="edgepack logs shows its own words",
        )
    return [found[n] for n in range(len(files))]


def _check_readable(file: Path) -> None:
    """Before anything is sent: a box is not to wait for the rest of a tar."""
    try:
        with file.open("rb"):
            return
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError) -> InputError:
    return InputError("this file cannot be read", where=str(file), why=error.strerror or "")


def _name(token: str, n: int, file: Path) -> str:
    """Unique on the box, and in this order there."""
    return f"ask-{token}-{n:05d}-{_ODD.sub('_', file.name)[-60:]}"


def _feed(box: Box, node: NodeStatus, token: str, names: Mapping[str, int], files: Sequence[Path]) -> int:
    """Send the files; where in the sink, in bytes, the answers will begin."""
    lines = box.call(
        "feed",
        node.app,
        token,
        node.source or "",
        node.sink or "",
        stdin=_tar(names, files),
    )
    offset = next((line.removeprefix("offset ") for line in lines if line.startswith("offset ")), "")
    if not offset.isdigit():
        raise NoAnswerError("the box did not take the images", where=box.endpoint.where)
    return int(offset)


def _answers(
    box: Box, node: NodeStatus, token: str, offset: int, timeout_s: int
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Name on the box and answer, as they come; None for a file that the program put aside.

    Ends when nothing new came for ``timeout_s``.
    """
    last = time.monotonic()
    words = (node.app, token, node.source or "", node.sink or "", str(offset))
    with contextlib.closing(box.stream("answers", *words, str(_FOLLOW_S))) as lines:
        for line in lines:
            if line.startswith("=") and (answer := _line(line[1:])) is not None:
                last = time.monotonic()
                yield Path(str(answer.get("file", ""))).name, answer
            elif line.startswith("rejected "):
                yield line.removeprefix("rejected "), None
            elif time.monotonic() - last > timeout_s:
                return


def _rejected(box: Box, app: str, name: str, file: Path) -> NoAnswerError:
    """With the program's own reason: the file may be no picture, or a step may have failed on it."""
    said = [line[1:] for line in box.call("logs", app, "log", "200", "0") if line.startswith("=")]
    words = next((line for line in reversed(said) if name in line), "").replace(name, file.name)
    return NoAnswerError(
        "the program on the box has no answer to this file",
        where=f"{file}, on {box.endpoint.where}",
        why=words or "it put it into .rejected/ of its inbox",
        fix="edgepack logs shows what else it said; the file lies in .rejected/ of its inbox",
    )


def _line(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _tar(names: Mapping[str, int], files: Sequence[Path]) -> Iterator[bytes]:
    for name, n in names.items():
        try:
            data = files[n].read_bytes()
        except OSError as error:
            raise _unreadable(files[n], error) from error
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o644
        yield info.tobuf(tarfile.USTAR_FORMAT)
        for at in range(0, len(data), _CHUNK):
            yield data[at : at + _CHUNK]
        yield b"\0" * (-len(data) % _BLOCK)
    yield b"\0" * (2 * _BLOCK)
