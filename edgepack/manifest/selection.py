"""Which nodes somebody means: by name, by glob, by what is known of them.

A word is a name (``box-07``), a glob (``box-0*``), or what must hold, separated by commas: ``site=berlin``,
``target=rk3588``, ``camera!=axis``; a value may be a glob. Several words: whatever one of them means.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING

from edgepack.errors import InputError

if TYPE_CHECKING:
    from edgepack.manifest.fleet import Node

KEYS = ("name", "target", "site", "group", "runs", "address")
"""What can be asked for besides labels."""

_TERM = re.compile(r"(?P<key>[A-Za-z0-9][A-Za-z0-9._/-]*)(?P<not>!?)=(?P<value>.*)", re.DOTALL)

Facts = Mapping[str, str]


def facts(name: str, node: Node) -> Facts:
    """What a node is selected by: its labels, and ``KEYS``; what is not said is empty."""
    said = {key: str(getattr(node, key) or "") for key in KEYS if key != "name"}
    return {**node.labels, **said, "name": name}


def select(words: Sequence[str], exclude: Sequence[str], known: Mapping[str, Facts]) -> list[str]:
    """The names that one of ``words`` means and none of ``exclude``, in the fleet's order; no words: all.

    Raises InputError: a name or a key that nobody has, or nothing that is left, with what is near.
    """
    wanted = [_meaning(word, known) for word in words]
    unwanted = [_meaning(word, known) for word in exclude]
    chosen = [
        name
        for name, facts in known.items()
        if (not wanted or any(means(facts) for means in wanted)) and not any(not_(facts) for not_ in unwanted)
    ]
    if not chosen and (words or exclude):
        raise _nothing(words, exclude, known)
    return chosen


def is_one(word: str) -> bool:
    """Whether it can only be a node's name."""
    return not re.search(r"[*?\[=,]", word)


def _meaning(word: str, known: Mapping[str, Facts]) -> Callable[[Facts], bool]:
    terms = [_term(term, word, known) for term in word.split(",")]
    return lambda facts: all(holds(facts) for holds in terms)


def _term(term: str, word: str, known: Mapping[str, Facts]) -> Callable[[Facts], bool]:
    said = _TERM.fullmatch(term)
    if said is None:
        if not term or "=" in term:
            raise InputError(
                f"`{word}` selects no nodes",
                why=f"`{term}` is neither a name nor KEY=VALUE" if term else "nothing stands beside a comma",
                fix="for example: 'box-0*', 'site=berlin,target=rk3588', 'camera!=axis'",
            )
        if is_one(term) and term not in known:
            raise _unknown(term, known)
        return _globbed("name", term)
    key = said["key"]
    if not any(key in facts for facts in known.values()):
        raise _no_key(key, known)
    holds = _globbed(key, said["value"])
    return (lambda facts: not holds(facts)) if said["not"] else holds


def _globbed(key: str, pattern: str) -> Callable[[Facts], bool]:
    fits = re.compile(translate(pattern)).match
    return lambda facts: fits(facts.get(key, "")) is not None


def _unknown(name: str, known: Mapping[str, Facts]) -> InputError:
    from edgepack.manifest import fleet

    return fleet.unknown(name, known)


def _no_key(key: str, known: Mapping[str, Facts]) -> InputError:
    keys = sorted({key for facts in known.values() for key in facts} | set(KEYS))
    near = difflib.get_close_matches(key, keys, 1, 0.6)
    return InputError(
        f"no node says anything of `{key}`",
        where="fleet.yaml",
        why=f"did you mean `{near[0]}`?" if near else f"known: {_few(keys)}",
        fix=f"give the nodes that label: labels: {{{key}: …}}",
    )


def _nothing(words: Sequence[str], exclude: Sequence[str], known: Mapping[str, Facts]) -> InputError:
    asked = " ".join(words) or "all nodes"
    less = f" without {' '.join(exclude)}" if exclude else ""
    why = ""
    for word in words:
        for said in filter(None, (_TERM.fullmatch(term) for term in word.split(","))):
            values = sorted({facts.get(said["key"], "") for facts in known.values()} - {""})
            if not said["not"] and not any(re.match(translate(said["value"]), value) for value in values):
                why = f"`{said['key']}` is: {_few(values)}"
    return InputError(
        f"no node is meant by {asked}{less}",
        where="fleet.yaml",
        why=why or "no single node is all of that",
        fix="edgepack fleet list shows what is known of each",
    )


def _few(words: Iterable[str]) -> str:
    shown = list(words)
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")
