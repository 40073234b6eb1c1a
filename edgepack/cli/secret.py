"""A passphrase or a PIN: from a file, or asked for where somebody sits before the screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def asker(file: str | None) -> Callable[[str], bytes]:
    """What asks, given what for. Raises InputError where nobody can answer, or the file cannot be read."""

    def ask(what: str) -> bytes:
        import getpass
        import sys

        from edgepack.errors import InputError

        if file:
            try:
                return Path(file).read_bytes().splitlines()[0]
            except (OSError, IndexError) as error:
                why = getattr(error, "strerror", None) or "it is empty"
                raise InputError(f"the secret in {file} cannot be read", why=why) from error
        if not sys.stdin.isatty():
            raise InputError(
                f"the {what} is wanted, and nobody is there to type it",
                fix="--secret-file FILE has it in its first line; or let ssh-agent hold the key: --key agent",
            )
        return getpass.getpass(f"{what}: ").encode()

    return ask
