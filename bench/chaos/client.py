"""A client that asks the program all the while, by its inbox, and notes when it was answered."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bench.chaos.releases import EXAMPLE

_ASK_S = 0.1  # a question this often; one that lies there unanswered is not asked again
_KEEP_OUT = ".asking"


@dataclass(frozen=True)
class Answers:
    """What a client saw. ``gap_s``: the longest time between two answers; ``wrong``: answers that are not
    those of the trained model; ``blocked``: times at which no question could be put on the box's disk.
    """

    count: int
    gap_s: float
    wrong: int
    blocked: int


class Client:
    """Asks until told to stop. ``data``: the app's data folder on the box, as this host sees it."""

    def __init__(self, data: Path) -> None:
        self._data = data
        rows = list(csv.DictReader((EXAMPLE / "data" / "val" / "labels.csv").read_text().splitlines()))[:20]
        self._images = [
            ((EXAMPLE / "data/val" / row["file"]).read_bytes(), int(row["reference"])) for row in rows
        ]
        self._asked: dict[str, int] = {}
        self._times: list[float] = []
        self._wrong = self._blocked = 0
        self._rest = b""
        self._stop = threading.Event()
        sink = data / "results.jsonl"
        self._at = sink.stat().st_size if sink.exists() else 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.began = time.monotonic()
        self._thread.start()

    def answered_since(self, moment: float) -> bool:
        """Whether something was answered that was asked for, after a moment (monotonic)."""
        return bool(self._times) and self._times[-1] > moment

    def stop(self) -> Answers:
        self._stop.set()
        self._thread.join()
        moments = [self.began, *self._times, time.monotonic()]
        gap = max(later - earlier for earlier, later in itertools.pairwise(moments))
        return Answers(len(self._times), gap, self._wrong, self._blocked)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(_ASK_S / 4):
            self._read()
            if len(self._asked) < 4 and number * _ASK_S < time.monotonic() - self.began:
                number += 1
                self._ask(f"chaos-{time.monotonic_ns()}.pgm", *self._images[number % len(self._images)])

    def _ask(self, name: str, image: bytes, answer: int) -> None:
        inbox = self._data / "inbox"
        try:
            (inbox / f".{name}").write_bytes(image)
            (inbox / f".{name}").rename(inbox / name)
            self._asked[name] = answer
        except OSError:
            self._blocked += 1
            with contextlib.suppress(OSError):
                (inbox / f".{name}").unlink()

    def _read(self) -> None:
        sink = self._data / "results.jsonl"
        with contextlib.suppress(OSError):
            with sink.open("rb") as file:
                file.seek(self._at)
                new = file.read()
            self._at += len(new)
            *lines, self._rest = (self._rest + new).split(b"\n")
            for line in lines:
                self._answered(line)

    def _answered(self, line: bytes) -> None:
        try:
            row = json.loads(line)
        except ValueError:
            self._wrong += 1
            return
        wanted = self._asked.pop(Path(str(row.get("file"))).name, None)
        if wanted is None:
            return  # answered twice: the program was killed between answer and removal
        self._times.append(time.monotonic())
        self._wrong += row.get("class") != wanted
