"""The box's script called directly, without SSH, in whichever shell: its words, its failures, its files."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgepack.box import script
from edgepack.tools.runner import Completed, command, run
from tests.releases import APP

SHELLS = {
    "dash": ("dash",),
    "bash": ("bash",),
    "busybox": ("busybox", "sh"),
}


def shells() -> list[str]:
    """The shells of this machine, of those that boxes have."""
    return [name for name, argv in SHELLS.items() if shutil.which(argv[0])]


class Failed(Exception):
    """The script's own word and sentence for a failure."""

    def __init__(self, kind: str, sentence: str) -> None:
        super().__init__(f"{kind}: {sentence}")
        self.kind = kind


@dataclass(frozen=True)
class BoxSh:
    """A root on this machine and the shell that works on it."""

    root: Path
    shell: tuple[str, ...] = ("sh",)
    before: tuple[str, ...] = ()  # what goes before the shell: `timeout 3`, a limit

    def raw(self, noun: str, *arguments: str, stdin: bytes = b"") -> Completed:
        stored = self.root / "bin" / script.name()
        stored.parent.mkdir(parents=True, exist_ok=True)
        if not stored.exists():
            stored.write_bytes(script.text())
        argv = (*self.before, *self.shell, stored, str(self.root), noun, *arguments)
        return run(command(*argv, stdin=stdin, timeout_s=60))

    def __call__(self, noun: str, *arguments: str, stdin: bytes = b"") -> list[str]:
        """What the script said, without its greeting and its signs of life."""
        done = self.raw(noun, *arguments, stdin=stdin)
        if found := re.search(r"^edgepack-error (\S+) (.*)$", done.stderr.decode(), re.MULTILINE):
            assert done.returncode == 20
            raise Failed(*found.groups())
        assert done.ok, done.text()
        greeting, *lines = done.stdout.decode().splitlines()
        assert greeting == script.GREETING
        return [line for line in lines if line != "."]

    def facts(self, *arguments: str, stdin: bytes = b"") -> dict[str, list[str]]:
        """The words of ``probe`` or ``status`` and all values each had."""
        found: dict[str, list[str]] = {}
        for line in self(*arguments, stdin=stdin):
            word, _, value = line.partition(" ")
            found.setdefault(word, []).append(value)
        return found

    def lock(self, token: str = "t") -> str:
        self("lock", token, f"tester@here:{token}")
        return token

    def install(self, token: str, program: str, version: str = "1") -> str:
        """Send and stage a release with this program; returns its digest."""
        files = {"bin/" + APP: (program.encode(), "0755"), "version": (version.encode(), "0644")}
        release = sha(program.encode() + version.encode())
        self("receive", token, "plain", stdin=tar([data for data, _ in files.values()]))
        listed = "".join(f"{sha(data)} {mode} {path}\n" for path, (data, mode) in files.items())
        assert self("stage", token, APP, release, stdin=listed.encode()) == []
        return release

    def current(self) -> str | None:
        link = self.root / "apps" / APP / "current"
        return link.readlink().name if link.is_symlink() else None

    def program_pid(self) -> int | None:
        """The running program's, as the box tells it."""
        words = self.facts("status", APP).get("program", ["no"])[0].split()
        return int(words[1]) if words[0] == "yes" else None


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar(files: Sequence[bytes], *, names: Sequence[str] = ()) -> bytes:
    """A tar of files named by their sha256, or by ``names``."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for n, data in enumerate(files):
            info = tarfile.TarInfo(names[n] if names else sha(data))
            info.size, info.mode = len(data), 0o755
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def until(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until something holds; False where it did not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True
