"""Files with which an editor debugs the program on a box: what is written, and into what is there already.

cppdbg and CodeLLDB themselves were never run by us: *by contract only*. What they are told of gdb is run
through gdb's machine interface by tests. Sources: Visual Studio Code's "Debugging" and "Tasks", the C++
extension's launch.json reference; CodeLLDB's manual; gdb's manual, "Debugger Adapter Protocol".
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgepack.debug.errors import EditorError
from edgepack.debug.gdb import Setup, commands
from edgepack.debug.jsonc import NotJsonc, added

_FOLDER = "${workspaceFolder}"
_HEAD = '// Added by edgepack: entries whose names begin with "edgepack". What you change in them stays.\n'
_MARK = "# edgepack: {node}. What you change below stays; delete it to have it written anew."


@dataclass(frozen=True)
class Wanted:
    """node: the box. project: the folder that the editor opens. gdb: the program. setup: what gdb is told;
    its symbols are ``link(project, node)``, which follows the release on the box.
    """

    node: str
    project: Path
    gdb: Path
    setup: Setup

    @property
    def port(self) -> int:
        """Of 127.0.0.1, always the same one for a box: the editor's files name it."""
        return 21_000 + zlib.crc32(self.node.encode()) % 8_000


@dataclass(frozen=True)
class Written:
    """changed: files. kept: what is there, says something else than we would, and was left alone."""

    changed: tuple[str, ...]
    kept: tuple[str, ...]


def link(project: Path, node: str) -> Path:
    """The name by which an editor's file knows the symbols of what runs on a box."""
    return project / ".edgepack" / "debug" / node


def point(project: Path, node: str, symbols: Path) -> None:
    """Have that name lead to these symbols."""
    there = link(project, node)
    there.parent.mkdir(parents=True, exist_ok=True)
    beside = there.with_name(f".{node}.part")
    beside.unlink(missing_ok=True)
    beside.symlink_to(symbols)
    beside.replace(there)


def launches(wanted: Wanted) -> list[dict[str, Any]]:
    """``configurations`` of launch.json: attach, deploy first, and attach by CodeLLDB."""
    node = wanted.node
    program = f"{_FOLDER}/.edgepack/debug/{node}"
    said = [each for each in commands(wanted.setup) if not each.startswith(("file ", "target "))]
    attach = {
        "name": f"edgepack: attach to {node}",
        "type": "cppdbg",
        "request": "launch",
        "program": program,
        "cwd": _FOLDER,
        "MIMode": "gdb",
        "miDebuggerPath": str(wanted.gdb),
        "miDebuggerServerAddress": f"127.0.0.1:{wanted.port}",
        "stopAtConnect": True,
        "setupCommands": [{"text": _in_project(each, wanted.project)} for each in said],
        "preLaunchTask": f"edgepack: debug {node}",
    }
    deployed = {
        **attach,
        "name": f"edgepack: build, deploy to {node}, attach",
        "preLaunchTask": f"edgepack: build, deploy, debug {node}",
    }
    sources = {
        name: _in_project(str(folder), wanted.project) for name, folder in wanted.setup.sources.items()
    }
    by_lldb = {
        "name": f"edgepack: attach to {node} (CodeLLDB)",
        "type": "lldb",
        "request": "launch",
        "targetCreateCommands": [f'target create "{program}"'],
        "processCreateCommands": [f"gdb-remote 127.0.0.1:{wanted.port}"],
        "sourceMap": sources,
        "preLaunchTask": f"edgepack: debug {node}",
    }
    return [attach, deployed, by_lldb]


def tasks(wanted: Wanted) -> list[dict[str, Any]]:
    """``tasks`` of tasks.json. The one that serves the debugger says gdb's command line once it listens."""
    node = wanted.node
    serve = {
        "label": f"edgepack: debug {node}",
        "type": "process",
        "command": "edgepack",
        "args": ["debug", node, "--port", str(wanted.port)],
        "isBackground": True,
        "problemMatcher": {
            "pattern": {"regexp": "^(error): (.*)$", "kind": "file", "file": 1, "message": 2},
            "background": {
                "activeOnStart": True,
                "beginsPattern": "^beforehand:",
                "endsPattern": "target remote",
            },
        },
    }
    deploy = {
        "label": f"edgepack: deploy to {node}",
        "type": "process",
        "command": "edgepack",
        "args": ["deploy", node],
        "dependsOn": "edgepack: build",
        "problemMatcher": "$gcc",
    }
    both = {
        "label": f"edgepack: build, deploy, debug {node}",
        "dependsOrder": "sequence",
        "dependsOn": [deploy["label"], serve["label"]],
    }
    build = {
        "label": "edgepack: build",
        "type": "process",
        "command": "edgepack",
        "args": ["build"],
        "group": "build",
        "problemMatcher": "$gcc",
    }
    return [build, deploy, serve, both]


def write_vscode(wanted: Wanted) -> Written:
    """launch.json, tasks.json, .gdbinit, compile_commands.json. Raises EditorError with nothing written."""
    folder = wanted.project / ".vscode"
    plans = [
        _merged(folder / "launch.json", "configurations", launches(wanted), "name", "0.2.0"),
        _merged(folder / "tasks.json", "tasks", tasks(wanted), "label", "2.0.0"),
        _gdbinit(wanted),
    ]
    changed, kept = [], []
    for path, text, other in plans:
        kept += [f"{path.relative_to(wanted.project)}: {name}" for name in other]
        if text is not None:
            path.parent.mkdir(exist_ok=True)
            beside = path.with_name(f".{path.name}.part")
            beside.write_bytes(text.encode())
            beside.replace(path.resolve())  # a link stays one
            changed.append(str(path.relative_to(wanted.project)))
    _compile_commands(wanted, changed, kept)
    return Written(tuple(changed), tuple(kept))


def neovim(wanted: Wanted) -> str:
    """For nvim-dap, by gdb's own adapter (gdb 14 and later)."""
    said = [each for each in commands(wanted.setup) if not each.startswith(("file ", "target "))]
    words = ", ".join(
        _lua(each) for each in ("-q", "-i", "dap", *(w for each in said for w in ("-ex", each)))
    )
    name = _lua(f"edgepack: {wanted.node}")
    adapter = f"type = 'executable', command = {_lua(str(wanted.gdb))}, args = {{ {words} }}"
    return "\n".join(
        (
            f"-- first, in a terminal: edgepack debug {wanted.node} --port {wanted.port}",
            "local dap = require('dap')",
            f"dap.adapters.edgepack = {{ {adapter} }}",
            "dap.configurations.cpp = dap.configurations.cpp or {}",
            "table.insert(dap.configurations.cpp, {",
            f"  name = {name}, type = 'edgepack', request = 'attach', target = '127.0.0.1:{wanted.port}',",
            f"  program = {_lua(str(link(wanted.project, wanted.node)))},",
            "})",
        )
    )


def jetbrains(wanted: Wanted) -> str:
    """What CLion's "Remote Debug" asks for."""
    maps = "\n".join(f"  {name} = {folder}" for name, folder in wanted.setup.sources.items())
    return (
        f"first, in a terminal: edgepack debug {wanted.node} --port {wanted.port}\n"
        "Run | Edit Configurations | + | Remote Debug\n"
        f"Debugger: custom GDB, {wanted.gdb}\n"
        f"'target remote' args: 127.0.0.1:{wanted.port}\n"
        f"Symbol file: {link(wanted.project, wanted.node)}\n"
        f"Sysroot: {wanted.setup.sysroot or '/nonexistent'}\n"
        f"Path mappings (remote = local):\n{maps}"
    )


def _lua(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _in_project(words: str, project: Path) -> str:
    """Without the project's own place, so that the file serves whoever has the project elsewhere."""
    if words == str(project):
        return _FOLDER
    return words.replace(f"{project}/", f"{_FOLDER}/").replace(f'"{project}"', f'"{_FOLDER}"')


def _merged(
    path: Path, key: str, entries: Sequence[Mapping[str, Any]], name: str, version: str
) -> tuple[Path, str | None, list[str]]:
    """The file's new text, or None where it stays as it is; and the entries that were left alone."""
    try:
        before = path.read_bytes().decode() if path.exists() else ""
        text = before if before.strip() else f'{_HEAD}{{\n    "version": "{version}",\n    "{key}": []\n}}\n'
        after, other = added(text, key, entries, name)
    except NotJsonc as error:
        raise EditorError(
            f"{path.name} cannot be added to: {error}",
            where=f"{path}:{error.line}",
            fix="correct it, or move it away; nothing was written",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise EditorError(f"{path.name} cannot be read", where=str(path), why=str(error)) from error
    return path, (after if after != before else None), other


def _gdbinit(wanted: Wanted) -> tuple[Path, str | None, list[str]]:
    """gdb's commands without connecting, for whoever starts it in the project's folder."""
    path = wanted.project / ".gdbinit"
    said = [each for each in commands(wanted.setup) if not each.startswith("target ")]
    ours = "\n".join((_MARK.format(node=wanted.node), *said)) + "\n"
    try:
        before = path.read_bytes().decode() if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise EditorError(".gdbinit cannot be read", where=str(path), why=str(error)) from error
    if ours in before:
        return path, None, []
    if "# edgepack: " in before:
        return path, None, ["the lines of edgepack"]
    gap = "" if not before or before.endswith("\n") else "\n"
    return path, before + gap + ours, []


def _compile_commands(wanted: Wanted, changed: list[str], kept: list[str]) -> None:
    """A link to what the last build wrote, where the user has no file of that name."""
    generated = wanted.setup.sources.get("/project")
    made = generated.parent / "build" / "compile_commands.json" if generated else None
    there = wanted.project / "compile_commands.json"
    if made is None or not made.is_file():
        return
    if there.is_symlink() and there.readlink() == made:
        return
    ours = there.is_symlink() and there.readlink().is_relative_to(wanted.project / ".edgepack")
    if there.exists() and not ours:
        kept.append(there.name)
        return
    there.unlink(missing_ok=True)
    there.symlink_to(made)
    changed.append(there.name)
