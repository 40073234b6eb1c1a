"""The box's script with something taken out, and edgepack sending it: ``python -m bench.chaos.mutant NAME …``

A campaign that finds nothing proves nothing until it was seen to find what is there. Nothing of the product
changes for it: the script is changed in this process, and goes to the box under a name of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from edgepack.box import script

_REAL = script.text
Change = tuple[bytes, bytes]

# fsync: whatever was written may still be lost, and in any order.
SYNC: tuple[Change, ...] = ((b'flush() { sync -f "$ROOT" 2>/dev/null || sync; }', b"flush() { :; }"),)
# rename: what a reader sees is made in its place, piece by piece.
RENAME: tuple[Change, ...] = (
    (b'cat >"$1.new.$$" && mv -f "$1.new.$$" "$1" || fail_writing "$1"', b'cat >"$1" || fail_writing "$1"'),
    (b"made=$releases/$3.tmp\n", b"made=$releases/$3\n"),
    (b'mv -T "$made" "$releases/$3" || fail_writing "$releases/$3"\n', b""),
    (b'\tmv -T "$releases/$3" "$releases/$3.old"\n', b"\t:\n"),
    (
        b'mv -T "$app/current.new" "$app/current" || fail_writing "$app/current"\n',
        b'rm -f "$app/current" "$app/current.new"\n\tflush\n\tln -s "releases/$3" "$app/current"\n',
    ),
)
# verification: neither digests nor golden vectors decide on what is switched to.
VERIFY: tuple[Change, ...] = (
    (b'$1 == "should" && sum[$4] != $2 { print "damaged", $4 }', b'$1 == "never" { print }'),
    (
        b'limited "$4" program "$release" "$2" verify 3>&1',
        b'limited "$4" program "$(ls -d "$ROOT/apps/$2/current/" || say "$release")" "$2" verify 3>&1',
    ),
)
MUTANTS = {"no-sync": SYNC, "no-rename": RENAME, "no-verify": VERIFY}


def text(name: str) -> bytes:
    """The script without it. Raises ValueError where it has changed and nothing would be taken out."""
    changed = _REAL()
    for old, new in MUTANTS[name]:
        if changed.count(old) != 1:
            raise ValueError(f"{old!r} stands {changed.count(old)} times in the box's script")
        changed = changed.replace(old, new)
    return changed


def put_in_place(name: str) -> None:
    """From here on this process knows no other script."""
    whole = text(name)
    take: Callable[[], bytes] = lambda: whole  # noqa: E731
    script.text = take  # type: ignore[assignment]


def main() -> int:
    from edgepack.cli.main import main as edgepack

    name, *words = sys.argv[1:]
    put_in_place(name)
    sys.argv[1:] = words
    return edgepack()


if __name__ == "__main__":
    sys.exit(main())
