"""``make-engine.sh``: the steps of ``on-box.json`` as a POSIX script, for a box without Python or edgepack.

It lies beside the model's files and makes the rest from them. Nothing that the recipe or the user wrote is
ever more than a word to the shell: each is quoted, and what only the box knows is a quoted variable.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from edgepack.package.errors import PackageError
from edgepack.store import Result, Store, digest_file, digest_of

SCRIPT = "make-engine.sh"
STEPS = "on-box.json"
FORMAT = 2
_VARIABLES = {"@RELEASE@/model": "here", "@OUT@": "made", "@WORK@": "work", "@SDK@": "sdk"}
_TOKEN = re.compile(r"(@RELEASE@/model|@OUT@|@WORK@|@SDK@|@ENV:[A-Za-z_][A-Za-z0-9_]*@)")
_CLASSES = {"d": "[0-9]", "w": "[A-Za-z0-9_]", "s": "[[:space:]]"}


def write(folder: Path, names: Iterable[str]) -> Path | None:
    """Write the script into a model's folder, where the box converts; None where it does not.

    names: the model's files in it; the script looks whether they are the same on the box. Raises PackageError
    where a regular expression of the recipe's means nothing to a box.
    """
    steps = folder / STEPS
    if not steps.is_file():
        return None
    body = _body(steps)
    files = {name: digest_file(folder / name) for name in sorted(names) if name != STEPS}
    made = folder / SCRIPT
    made.write_text(text(body, files))
    made.chmod(0o755)
    return made


def of(converted: Result, store: Store) -> str | None:
    """The script for a release, from the kept conversion; None where the box converts nothing."""
    if STEPS not in converted.outputs:
        return None
    files = {name: out.sha256 for name, out in sorted(converted.outputs.items()) if name != STEPS}
    return text(_body(store.blob(converted.outputs[STEPS].sha256)), files)


def release(converted: Result, store: Store) -> dict[str, Any]:
    """What ``release.json`` says of it: the files that the box makes, and in which time."""
    if STEPS not in converted.outputs:
        return {}
    body = _body(store.blob(converted.outputs[STEPS].sha256))
    made = [_outside(name) for step in body["steps"] for name in (*step["makes"], *step["keeps"])]
    seconds = sum(int(step["timeout_s"]) for step in body["steps"]) + 60 * len(body["steps"])
    files = [f"model/{name}" for name in dict.fromkeys(made)]
    return {"on_box": {"makes": files, "timeout_s": min(86400, seconds), "memory_mb": body["memory_mb"]}}


def _body(steps: Path) -> dict[str, Any]:
    body = dict(json.loads(steps.read_bytes()))
    if body.get("format") != FORMAT:
        why = f"{STEPS} has the format {body.get('format')}, and this edgepack reads {FORMAT}"
        raise PackageError("the kept conversion is another edgepack's", why=why, fix="edgepack clean --cache")
    return body


def text(body: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The script. body: what ``on-box.json`` holds; files: path beside the script → sha256."""
    fixed = (resources.files("edgepack.package") / "sh/on_box.sh").read_text()
    parts = [fixed, *_values(body), *_lists(body, files), *_facts(body), *_environment(body)]
    numbers = range(1, len(body["steps"]) + 1)
    for number, step in zip(numbers, body["steps"], strict=True):
        parts.append(_function(f"step_{number}", _step(step, body)))
    parts.append(_function("steps", [f"step_{number}" for number in numbers]))
    known = [_call("explain", ere(e["match"]), e["why"], e["fix"]) for e in body["errors"]]
    parts.append(_function("known_errors", known or [":"]))
    # The last line, so that a script that came only in part does nothing at all.
    return "\n".join([*parts, 'main "$@"', ""])


def shell_word(word: str) -> str:
    """A word for the shell: everything quoted, and what the box knows as variables."""
    parts = [_variable(part) or shlex.quote(part) for part in _TOKEN.split(word) if part]
    return "".join(parts) or "''"


def ere(pattern: str) -> str:
    """A recipe's regular expression as `grep -E` reads it, a line at a time. Raises PackageError."""
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            escaped = pattern[at + 1 : at + 2]
            if escaped.isalnum() and escaped not in _CLASSES:
                raise _foreign(pattern, f"\\{escaped}")
            out.append(_CLASSES.get(escaped, f"\\{escaped}"))
            at += 2
        elif char == "[":
            end = pattern.find("]", at + 3 if pattern[at + 1 : at + 2] == "^" else at + 2)
            if end < 0 or "\\" in pattern[at:end]:
                raise _foreign(pattern, "a backslash in [ ]")
            out.append(pattern[at : end + 1])
            at = end + 1
        elif pattern.startswith("(?", at) and not pattern.startswith("(?:", at):
            raise _foreign(pattern, "(?")
        elif char in "^$" or (char in "*+?}" and pattern[at + 1 : at + 2] in ("?", "+")):
            raise _foreign(pattern, pattern[at : at + 2])
        else:
            out.append(char)
            at += 3 if pattern.startswith("(?:", at) else 1
    return "".join(out)


def _foreign(pattern: str, part: str) -> PackageError:
    return PackageError(
        f"the regular expression {pattern!r} cannot be used on a box",
        why=f"`{part}` is not what `grep -E` understands, or means something else there",
        fix="in a recipe with `run: box`, write it with . * + ? | ( ) [ ] and plain characters",
    )


def _values(body: Mapping[str, Any]) -> Iterator[str]:
    asked = "; ".join(str(f["program"] or f["file"]) for f in body["facts"] if f["device"])
    # Why and fix of known errors are words for people: they change nothing of the result.
    decides = {name: value for name, value in body.items() if name not in ("errors", "from", "places")}
    values = {
        "TITLE": SCRIPT.removesuffix(".sh"),
        "TOOL": body["tool"],
        "RUNTIME": body["runtime"],
        "FROM": body["from"],
        "VARIABLE": body["variable"],
        "ASKED": f"asked, and it was not told: {asked}",
        "STEPS": digest_of(decides),
    }
    yield "\n".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
    yield f"pointed=${{{body['variable']}:-}}\n"


def _lists(body: Mapping[str, Any], files: Mapping[str, str]) -> Iterator[str]:
    called = list(dict.fromkeys(step["program"] for step in body["steps"]))
    made = [_outside(name) for step in body["steps"] for name in (*step["makes"], *step["keeps"])]
    lists = {
        "finds": body["finds"],
        "places": body["places"],
        # The toolkit's folder is told from a program of its own, which the box's Python is not.
        "programs": sorted(called, key=lambda name: name == "python"),
        "files": [f"{digest} {path}" for path, digest in files.items()],
        "results": made,
        "devices": [fact["name"] for fact in body["facts"] if fact["device"]],
    }
    for name, lines in lists.items():
        yield _function(name, [_call("printf", "%s\\n", *lines) if lines else ":"])


def _facts(body: Mapping[str, Any]) -> Iterator[str]:
    lines = []
    for fact in body["facts"]:
        pattern = ere(fact["match"])
        if fact["file"]:
            lines.append(_call("file_fact", fact["name"], pattern, fact["file"]))
        else:
            lines.append(_call("fact", fact["name"], pattern, fact["program"], *fact["args"]))
    yield _function("facts", lines or [":"])
    seen = [f'say "variable {name} ${{{name}-}}"' for name in body["sees"]]
    yield _function("variables", seen or [":"])


def _environment(body: Mapping[str, Any]) -> Iterator[str]:
    lines = []
    for name, value in body["env"].items():
        # An empty last part would be the folder that a program is started in.
        lines += [f"{name}={shell_word(value)}", f"{name}=${{{name}%:}}", f"export {name}"]
    yield _function("environment", lines or [":"])


def _step(step: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[str]:
    yield _call("find_program", step["program"])
    for name, content in step["writes"].items():
        yield f"write {shlex.quote(name)} {shell_word(content)}"
    yield 'set -- "$program"'
    for argument in step["args"]:
        words = " ".join(shell_word(word) for word in argument["words"])
        flag = argument.get("if_help", "")
        if flag.startswith("!"):
            yield f'has_flag {shlex.quote(flag[1:])} || set -- "$@" {words}'
        elif flag:
            yield f'! has_flag {shlex.quote(flag)} || set -- "$@" {words}'
        else:
            yield f'set -- "$@" {words}'
    seen = [f"{name}={shell_word(value)}" for name, value in step["env"].items()]
    if seen:
        yield f'set -- env {" ".join(seen)} "$@"'
    yield f'perform {int(step["timeout_s"])} {int(body["memory_mb"]) * 1024} "$@"'
    yield from (_call("fails_on", ere(pattern)) for pattern in step["fails_on"])
    yield "ended_well"
    yield from (_call("must_say", ere(pattern)) for pattern in step["says"])
    yield from (f'must_leave "$made"/{shlex.quote(_outside(made))}' for made in step["makes"])
    yield from (f"must_leave {shell_word(left)}" for left in step["leaves"])
    for name, where in step["keeps"].items():
        pattern = "*".join(shell_word(part) if part else "" for part in where.split("*"))
        yield f"keep {shlex.quote(_outside(name))} {pattern}"


def _outside(name: str) -> str:
    """A result's name, which is a line of its own in the script's lists. Raises PackageError."""
    if "\n" in name or "@" in name:
        raise PackageError(
            f"a box cannot make a file of the name {name!r}", fix="change `makes` in the recipe"
        )
    return name


def _variable(part: str) -> str:
    if part in _VARIABLES:
        return f'"${_VARIABLES[part]}"'
    return f'"${{{part[5:-1]}-}}"' if _TOKEN.fullmatch(part) else ""


def _call(function: str, *words: str) -> str:
    return " ".join([function, *(shlex.quote(word) for word in words)])


def _function(name: str, lines: Iterable[str]) -> str:
    return "\n".join([f"{name}() {{", *(f"\t{line}" for line in lines), "}\n"])
