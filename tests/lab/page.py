"""What the pages under ``docs/proof/`` are made of: Markdown, and the commit that was looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from edgepack.tools.runner import command, run

PROOF = Path(__file__).parents[2] / "docs" / "proof"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Sequence[str]:
    """Lines, with an empty one at the end."""
    lines = [header, ["---"] * len(header), *rows]
    return (*("| " + " | ".join(line) + " |" for line in lines), "")


def verbatim(text: str) -> Sequence[str]:
    """Lines of a block of code."""
    return ("```", *text.rstrip().splitlines(), "```", "")


def commit(page: Path) -> str:
    """The commit, and whether anything but this page differs from it."""

    def git(*words: str) -> str:
        return run(command("git", *words, cwd=PROOF)).stdout.decode().strip()

    but_this = f":(exclude,top)docs/proof/{page.name}"
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", but_this)
    return f"`{git('rev-parse', '--short=12', 'HEAD')}`" + (" with changes beside it" if changed else "")
