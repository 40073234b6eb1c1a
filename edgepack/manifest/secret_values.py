"""Secrets from where they are kept: a variable, a file, what a program prints, sops, age."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from edgepack.errors import EdgepackError, InputError, ToolError
from edgepack.manifest.secrets import SecretSource
from edgepack.tools.runner import Command, command, run

MAX_SECRET = 64 << 10  # bytes
MAX_SECRETS = 64
_TIMEOUT_S = 120.0  # whoever decrypts may ask for a touch or a PIN


class Secret:
    """A value that does not show itself: neither printed nor in a traceback."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(…)"

    def reveal(self) -> bytes:
        """The bytes, for the way to the box alone."""
        return self._value


def resolve(sources: Mapping[str, SecretSource], folder: Path) -> dict[str, Secret]:
    """Fetch them all. ``folder``: the project's, which paths begin at; commands run in it.

    One newline at the end is not of the value. Raises InputError or ToolError, with the name of the secret.
    """
    if len(sources) > MAX_SECRETS:
        raise InputError(f"a node has {MAX_SECRETS} secrets at the most, and here are {len(sources)}")
    found = {}
    for name, source in sources.items():
        try:
            value = _fetch(source, folder)
        except EdgepackError as error:
            error.what = f"the secret {name} is not to be had: {error.what}"
            raise
        value = value.removesuffix(b"\n").removesuffix(b"\r")
        if not value or len(value) > MAX_SECRET:
            what = "is empty" if not value else f"has more than {MAX_SECRET} bytes"
            raise InputError(f"the secret {name} {what}", fix="look at where fleet.yaml takes it from")
        found[name] = Secret(value)
    return found


def argv(source: SecretSource, folder: Path) -> tuple[str, ...]:
    """The command line that prints a secret; () for one that needs none."""
    if source.command is not None:
        return tuple(source.command)
    if source.sops is not None:
        return ("sops", "decrypt", "--extract", f'["{source.key}"]', str(folder / source.sops))
    if source.age is not None:
        identity = folder / Path(source.identity or "").expanduser()
        return ("age", "--decrypt", "--identity", str(identity), str(folder / source.age))
    return ()


def _fetch(source: SecretSource, folder: Path) -> bytes:
    if source.env is not None:
        if (value := os.environb.get(source.env.encode())) is None:
            raise InputError(
                f"the variable {source.env} is not set", fix=f"{source.env}=… edgepack deploy, or export it"
            )
        return value
    if source.file is not None:
        try:
            with (folder / Path(source.file).expanduser()).open("rb") as file:
                return file.read(MAX_SECRET + 2)
        except OSError as error:
            raise InputError(
                f"{source.file} cannot be read",
                why=error.strerror or str(error),
                fix="write it, or correct the path",
            ) from None
    words = argv(source, folder)
    done = run(Command(command(*words).argv, cwd=folder, timeout_s=_TIMEOUT_S))
    if not done.ok or done.timed_out:
        # What it wrote to stdout may be half of the secret: only its complaint is shown.
        said = done.stderr.decode("utf-8", "replace").strip()
        raise ToolError(
            f"{words[0]} ended with {done.returncode}",
            why=said.splitlines()[-1] if said else "",
            fix=f"run it by hand: {' '.join(words)}",
            detail=said,
        )
    return done.stdout
