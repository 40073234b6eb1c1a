"""Write docs/reference/ from what the program itself is made of: ``python docs/generate.py``.

The user's files come from the pydantic models, the commands from argparse, the exit codes from
``edgepack/errors.py`` and the errors that derive from it. tests/test_docs.py holds the committed pages to it.
"""

from __future__ import annotations

import argparse
import ast
import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edgepack.catalog.recipes import RecipeFile
from edgepack.catalog.targets import TargetFile
from edgepack.cli.commands import COMMANDS
from edgepack.cli.main import parser
from edgepack.errors import EdgepackError, Exit
from edgepack.manifest.fleet import FleetFile
from edgepack.manifest.project import Manifest

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Written by docs/generate.py: change the code's own descriptions, and run it again. -->\n\n"

Schema = Mapping[str, Any]


def pages() -> dict[str, str]:
    """Name of the page in docs/reference/ → its text."""
    return {
        "manifest.md": _file_page(
            "edgepack.yaml",
            Manifest,
            "One project. It lies in the project's folder.",
            "examples/digits/edgepack.yaml",
        ),
        "fleet.md": _file_page(
            "fleet.yaml",
            FleetFile,
            "The boxes. It lies beside `edgepack.yaml`; a project without one has no boxes but sandboxes.",
            "examples/digits/fleet.yaml",
        ),
        "target.md": _file_page(
            "targets/ID.yaml",
            TargetFile,
            "One chip or board; [how to add one](../adding-a-target.md).",
            "targets/riscv64.yaml",
        ),
        "recipe.md": _file_page(
            "recipes/ID/recipe.yaml",
            RecipeFile,
            "One conversion; [how to add one](../../CONTRIBUTING.md#adding-things).",
            None,
        ),
        "commands.md": _commands_page(),
        "exit-codes.md": _exit_codes_page(),
    }


# ---- the user's files


def _file_page(file: str, model: type[BaseModel], what: str, example: str | None) -> str:
    root = model.model_json_schema(by_alias=True)
    out = [f"# {file}", what, "Unknown keys are refused, with the near miss. `-` means: nothing."]
    if example:
        text = (ROOT / example).read_text().rstrip()
        out += [f"`{example}`:", f"```yaml\n{text}\n```"]
    for path, schema in _sections(root):
        out.append(f"## {path}{_kind(schema)}" if path else "## The file")
        if schema.get("description"):
            out.append(_line(schema["description"]))
        rows = list(_rows(schema, root))
        if rows:
            out.append(_table(("key", "value", "left out", ""), rows))
    return NOTE + "\n\n".join(out) + "\n"


def _kind(schema: Schema) -> str:
    """What tells apart the mappings that may stand at one place."""
    kind = schema.get("properties", {}).get("kind", {}).get("const")
    return f", kind: {kind}" if kind else ""


def _sections(root: Schema) -> Iterator[tuple[str, Schema]]:
    """The file and each mapping inside it, once, in the order in which a reader meets them."""
    seen: set[str] = set()
    waiting: list[tuple[str, Schema]] = [("", root)]
    while waiting:
        path, schema = waiting.pop(0)
        yield path, schema
        inner = []
        for key, value in schema.get("properties", {}).items():
            inner += [(f"{path}.{key}".lstrip("."), found) for found in _references(value)]
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            inner += [(f"{path}.NAME", found) for found in _references(extra)]
        fresh = []
        for place, (suffix, name) in inner:
            if name not in seen:
                seen.add(name)
                fresh.append((place + suffix, root["$defs"][name]))
        waiting[:0] = fresh


def _references(schema: Schema) -> list[tuple[str, str]]:
    """(what to add to the path, the name of the model) for each model that a value may be."""
    if "$ref" in schema:
        return [("", schema["$ref"].rpartition("/")[2])]
    found = [pair for option in schema.get("anyOf", schema.get("oneOf", [])) for pair in _references(option)]
    if "items" in schema:
        found += [(f"[]{rest}", name) for rest, name in _references(schema["items"])]
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        found += [(f".NAME{rest}", name) for rest, name in _references(extra)]
    return found


def _rows(schema: Schema, root: Schema) -> Iterator[tuple[str, ...]]:
    required = schema.get("required", [])
    for key, value in schema.get("properties", {}).items():
        what = value.get("description") or _described(value, root)
        yield f"`{key}`", _value(value), _default(value, key in required), _line(what)
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        yield "any other", _value(extra), "-", _line(extra.get("description") or _described(extra, root))


def _described(value: Schema, root: Schema) -> str:
    """The words of the one model that a value is, where the field has none of its own."""
    names = [name for _, name in _references(value)]
    return str(root["$defs"][names[0]].get("description", "")) if len(names) == 1 else ""


def _value(schema: Schema) -> str:
    if "$ref" in schema:
        return "mapping"
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(
            dict.fromkeys(_value(option) for option in options if option.get("type") != "null")
        )
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " · ".join(f"`{word}`" for word in schema["enum"])
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_value(schema['items'])}{_count(schema)}"
    if kind == "object":
        extra = schema.get("additionalProperties")
        return f"NAME: {_value(extra)}" if isinstance(extra, dict) else "mapping"
    names = {"string": "text", "integer": "integer", "number": "number", "boolean": "`true` · `false`"}
    return names.get(str(kind), "anything") + _bounds(schema)


def _bounds(schema: Schema) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    found = [f"{sign} {schema[key]:g}" for key, sign in words.items() if key in schema]
    return f" {' and '.join(found)}" if found else ""


def _count(schema: Schema) -> str:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least == most:
        return f", {least} of them" if least else ""
    if most:
        return f", {least} to {most}" if least else f", at most {most}"
    return f", at least {least}" if least else ""


def _default(schema: Schema, required: bool) -> str:
    if required:
        return "**required**"
    value = schema.get("default")
    if value is None or value in ({}, [], ""):
        return "-"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict):
        return "its own defaults"
    return f"`{value:.6g}`" if isinstance(value, float) else f"`{value}`"


# ---- commands


def _commands_page() -> str:
    out = [
        "# Commands",
        "`edgepack COMMAND --help` says the same. Each command takes, beside its own:",
    ]
    top = parser(["--all"])
    commands = _subcommands(top)
    assert list(commands) == list(COMMANDS)
    everywhere = [
        row
        for group in commands["build"]._action_groups
        if group.title == "everywhere"
        for row in _arguments(group._group_actions)
    ]
    out.append(_table(("", ""), everywhere))
    out.append("Results go to stdout, progress and errors to stderr. [Exit codes](exit-codes.md).")
    for name, command in commands.items():
        out.append(f"## edgepack {name}")
        out.append(_sentence(COMMANDS[name]))
        out += _one_command(f"edgepack {name}", command)
    return NOTE + "\n\n".join(out) + "\n"


def _one_command(words: str, command: argparse.ArgumentParser) -> list[str]:
    own = [
        action
        for group in command._action_groups
        if group.title != "everywhere"
        for action in group._group_actions
        if not isinstance(action, (argparse._HelpAction, argparse._SubParsersAction))
    ]
    inner = _subcommands(command)
    if inner:
        helps = {choice.dest: choice.help or "" for choice in _choices(command)}
        out = []
        for name, sub in inner.items():
            out += [f"### {words} {name}", _sentence(helps[name]), *_one_command(f"{words} {name}", sub)]
        return out
    usage = " ".join([words, *(_usage(action) for action in own)])
    out = [f"```\n{usage}\n```"]
    rows = [row for row in _arguments(own) if row[1]]
    return [*out, _table(("", ""), rows)] if rows else out


def _subcommands(command: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _choices(command: argparse.ArgumentParser) -> list[argparse.Action]:
    return [
        choice
        for action in command._actions
        if isinstance(action, argparse._SubParsersAction)
        for choice in action._choices_actions
    ]


def _shown(action: argparse.Action) -> str:
    """The value as usage lines show it: `NODE`, `zig|gcc`; nothing for a switch."""
    if action.nargs == 0:
        return ""
    if action.choices:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest.upper())


def _usage(action: argparse.Action) -> str:
    value = _shown(action)
    if action.option_strings:
        return f"[{' '.join(filter(None, [action.option_strings[0], value]))}]"
    return {"*": f"[{value} ...]", "?": f"[{value}]"}.get(str(action.nargs), value)


def _arguments(actions: list[argparse.Action]) -> Iterator[tuple[str, ...]]:
    for action in actions:
        words = ", ".join(action.option_strings) or ""
        name = " ".join(filter(None, [words, _shown(action)]))
        yield f"`{name}`".replace("|", "\\|"), _line(action.help or "")


# ---- exit codes


def _exit_codes_page() -> str:
    told = ", ".join(f"`{key}`" for key in EdgepackError("").as_dict())
    out = [
        "# Exit codes",
        "One for each kind of trouble, so that a script can tell them apart.",
        f"With `--json` the error is one object on stdout: {told}.",
    ]
    errors = _errors()
    rows = []
    for name, code, meaning in _codes():
        words = "<br>".join(f"`{e.__name__}`: {_line(_first(e))}" for e in errors if e.exit_code == code)
        rows.append((str(code), f"`{name}`", meaning, words))
    return NOTE + "\n\n".join([*out, _table(("code", "name", "means", "errors"), rows)]) + "\n"


def _codes() -> Iterator[tuple[str, int, str]]:
    """(name, code, the comment beside it) of ``errors.Exit``, in the order of the source."""
    lines = (ROOT / "edgepack" / "errors.py").read_text().splitlines()
    for node in ast.parse("\n".join(lines)).body:
        if isinstance(node, ast.ClassDef) and node.name == "Exit":
            for line in lines[node.lineno : node.end_lineno]:
                code, _, comment = line.partition("#")
                name, equals, number = code.partition("=")
                if equals:
                    assert getattr(Exit, name.strip()) == int(number)
                    yield name.strip(), int(number), comment.strip() or "it did what was asked"


def _errors() -> list[type[EdgepackError]]:
    """Every deliberate failure there is, by its name."""
    for file in (ROOT / "edgepack").rglob("*.py"):
        if "(EdgepackError)" in file.read_text() or file.name == "errors.py":
            importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    found: set[type[EdgepackError]] = set()
    waiting: list[type[EdgepackError]] = [EdgepackError]
    while waiting:
        inner = waiting.pop().__subclasses__()
        found.update(inner)
        waiting += inner
    return sorted(found, key=lambda error: error.__name__)


def _first(error: type[EdgepackError]) -> str:
    return (error.__doc__ or "").strip().partition("\n\n")[0].replace("``", "`")


# ---- Markdown


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _line(text: str) -> str:
    """Text as one cell of a table holds it."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|")


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    REFERENCE.mkdir(exist_ok=True)
    for name, text in pages().items():
        (REFERENCE / name).write_text(text)


if __name__ == "__main__":
    main()
