"""What fleet.yaml includes: other files, a spreadsheet's rows, what a program prints, Ansible's inventory."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from edgepack.document import Document, Path_
from edgepack.errors import InputError, Problem, ToolError
from edgepack.manifest import parsed
from edgepack.manifest.words import AnyPath, Model
from edgepack.tools.runner import command, run

MAX_BYTES = 64 << 20
"""A fleet's file may be larger than a manifest: 10,000 nodes written out are some 3 MB."""

# Ansible's own words for a connection: "behavioral inventory parameters" in its documentation.
_ANSIBLE = {
    "ansible_host": "address",
    "ansible_port": "port",
    "ansible_user": "user",
    "ansible_ssh_private_key_file": "identity",
}
_OWN = "edgepack_"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class Include(Model):
    """Where more nodes come from: exactly one of these."""

    file: AnyPath | None = Field(
        default=None, description="files like fleet.yaml, from the project's folder on; `*` takes several"
    )
    csv: AnyPath | None = Field(
        default=None, description="a spreadsheet: the first row has keys (`name`, `target`, `labels.camera`)"
    )
    program: list[str] | None = Field(
        default=None,
        min_length=1,
        description="a program and its words, no shell, started in the project's folder; it prints JSON: "
        "what fleet.yaml would say, or what Ansible's inventory programs print",
    )
    ansible: AnyPath | None = Field(
        default=None, description="an inventory of Ansible's, read by its `ansible-inventory`"
    )
    timeout_s: float = Field(default=30, gt=0, le=600, description="how long a program may take")

    @model_validator(mode="after")
    def _one(self) -> Include:
        ways = [way for way in ("file", "csv", "program", "ansible") if getattr(self, way) is not None]
        if len(ways) != 1:
            raise ValueError(
                f"this must say one of file, csv, program, ansible, and says {len(ways)} of them"
            )
        return self


def documents(folder: Path, one: Include, at: Document, path: Path_) -> Iterator[Document]:
    """What an entry of ``include`` stands for. Raises InputError, with the line that asks for it."""
    try:
        if one.file is not None:
            yield from _files(folder, one.file)
        elif one.csv is not None:
            yield _rows(folder / one.csv, one.csv)
        elif one.program is not None:
            yield _printed(folder, one.program, one.timeout_s)
        elif one.ansible is not None:
            words = ["ansible-inventory", "-i", str(folder / one.ansible), "--list"]
            yield _printed(folder, words, one.timeout_s)
    except ToolError as error:
        raise at.wrong(at.problem(f"{error.what}: {error.why}", path, error.fix)) from None
    except _Wrong as error:
        raise at.wrong(at.problem(str(error), path)) from None


class _Wrong(Exception):
    """Why an entry gives no nodes; becomes an InputError at its line."""


def _files(folder: Path, pattern: str) -> Iterator[Document]:
    absolute = Path(pattern).is_absolute()
    base = Path("/") if absolute else folder
    found = sorted(base.glob(pattern.lstrip("/"))) if any(c in pattern for c in "*?[") else [folder / pattern]
    for file in found:
        shown = str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file)
        yield parsed.read(file, shown, MAX_BYTES)


def _rows(file: Path, shown: str) -> Document:
    """A row a node; an empty cell says nothing. Digits are a number where the key asks for one (`port`)."""
    try:
        raw = file.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise _Wrong(f"{shown}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _Wrong(f"{shown} is not UTF-8 text") from None
    if len(raw) > MAX_BYTES:
        raise _Wrong(f"{shown} has {len(raw)} bytes, and {MAX_BYTES} are the limit")
    delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    nodes: dict[str, Any] = {}
    lines: dict[Path_, int] = {(): 1, ("nodes",): 1}
    try:
        keys = [key.strip() for key in next(rows, [])]
        if "name" not in keys:
            raise _Wrong(f"{shown}: the first row names the columns, and none is `name`")
        for row in rows:
            values = {key: cell.strip() for key, cell in zip(keys, row, strict=False) if key and cell.strip()}
            name = values.pop("name", "")
            if not name and not values:
                continue
            if len(row) > len(keys) or not name or name in nodes:
                why = (
                    "has no name"
                    if not name
                    else "is there twice"
                    if name in nodes
                    else "has more cells than keys"
                )
                raise _Wrong(f"{shown}:{rows.line_num}: {name or 'a row'} {why}")
            nodes[name] = _nested(values)
            lines["nodes", name] = rows.line_num
    except csv.Error as error:
        raise _Wrong(f"{shown}:{rows.line_num}: {error}") from None
    return Document(file, shown, {"nodes": nodes}, lines)


def _nested(cells: Mapping[str, str]) -> dict[str, Any]:
    """``labels.camera`` → ``{"labels": {"camera": …}}``."""
    out: dict[str, Any] = {}
    for key, cell in cells.items():
        outer, _, inner = key.partition(".")
        number = outer in ("port", "limits") and _NUMBER.fullmatch(cell)
        value: Any = int(cell) if number else cell
        if not inner:
            out[outer] = value
        elif isinstance(below := out.setdefault(outer, {}), dict):
            below[inner] = value
    return out


def _printed(folder: Path, words: list[str], timeout_s: float) -> Document:
    """What a program prints, as JSON."""
    done = run(command(*words, cwd=folder, timeout_s=timeout_s))
    shown = f"what {words[0]} prints"
    if done.timed_out:
        raise _Wrong(f"{words[0]} took longer than {timeout_s:g} s (`timeout_s`)")
    if not done.ok:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["it says nothing"])[-1]
        raise _Wrong(f"{words[0]} ended with {done.returncode}: {last[:300]}")
    if len(done.stdout) > MAX_BYTES:
        raise _Wrong(f"{words[0]} prints {len(done.stdout)} bytes, and {MAX_BYTES} are the limit")
    try:
        data = json.loads(done.stdout)
    except (ValueError, RecursionError) as error:
        raise _Wrong(f"{shown} is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise _Wrong(f"{shown} is not an object with `nodes`, nor an inventory of Ansible's")
    return Document(folder, shown, _of_ansible(data) if "_meta" in data else data, {(): 0})


def _of_ansible(data: Mapping[str, Any]) -> dict[str, Any]:
    """Hosts as nodes. Their groups become labels, each of the value `yes`; `edgepack_KEY` is KEY.

    The JSON is what ``ansible-inventory --list`` and inventory scripts print: groups with ``hosts`` and
    ``children``, and the hosts' variables under ``_meta.hostvars``.
    """
    meta = data["_meta"] if isinstance(data["_meta"], Mapping) else {}
    said = meta.get("hostvars")
    of_hosts: Mapping[Any, Any] = said if isinstance(said, Mapping) else {}
    nodes: dict[str, Any] = {str(host): _of_host(str(host), about) for host, about in of_hosts.items()}
    for group in data:
        if group not in ("_meta", "all", "ungrouped"):
            for host in _hosts(data, group, set()):
                nodes.setdefault(host, _of_host(host, {}))["labels"].setdefault(group, "yes")
    rest = data.get("ungrouped")
    for host in rest.get("hosts", []) if isinstance(rest, Mapping) else []:
        nodes.setdefault(str(host), _of_host(str(host), {}))
    return {"nodes": nodes}


def _of_host(host: str, said: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"address": host, "labels": {}}
    for key, value in said.items() if isinstance(said, Mapping) else ():
        if key in _ANSIBLE:
            number = key == "ansible_port" and _NUMBER.fullmatch(str(value))
            values[_ANSIBLE[key]] = int(value) if number else value
        elif key == f"{_OWN}labels" and isinstance(value, Mapping):
            values["labels"].update(value)
        elif str(key).startswith(_OWN):
            values[str(key).removeprefix(_OWN)] = value
    return values


def _hosts(data: Mapping[str, Any], group: str, above: set[str]) -> Iterator[str]:
    """The hosts of a group and of those in it."""
    about = data.get(group)
    if not isinstance(about, Mapping) or group in above:
        return
    hosts, children = about.get("hosts", []), about.get("children", [])
    yield from (str(host) for host in hosts if isinstance(hosts, list | Mapping))
    for child in children if isinstance(children, list | Mapping) else ():
        yield from _hosts(data, str(child), {*above, group})


def clash(documents: list[Document]) -> Iterator[Problem]:
    """Sites and groups that two files have: which of them would count, nobody could tell."""
    for kind in ("sites", "groups"):
        seen: dict[str, Document] = {}
        for doc in documents:
            part = doc.data.get(kind)
            for name in part if isinstance(part, Mapping) else ():
                if name in seen and seen[name] is not doc:
                    yield doc.problem(f"`{name}` stands in {seen[name].shown}, too", (kind, name))
                seen.setdefault(name, doc)


def not_here(doc: Document) -> Iterator[Problem]:
    """Keys that fleet.yaml alone may have."""
    for key in ("include", "policy", "defaults"):
        if isinstance(doc.data, Mapping) and key in doc.data:
            yield doc.problem(f"`{key}` belongs into fleet.yaml", (key,))


__all__ = ["MAX_BYTES", "Include", "InputError", "clash", "documents", "not_here"]
