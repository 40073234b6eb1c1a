"""An editor's files: written once, added to, never taken from."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.debug import editors, gdb, jsonc
from edgepack.debug.errors import EditorError


def wanted(project: Path, node: str = "box-07") -> editors.Wanted:
    made = project / ".edgepack" / "build" / "pi-zig" / "program"
    made.mkdir(parents=True, exist_ok=True)
    (made.parent / "build").mkdir(exist_ok=True)
    (made.parent / "build" / "compile_commands.json").write_text("[]")
    where = {"/user": project, "/project": made}
    setup = gdb.Setup("aarch64", editors.link(project, node), sources=where)
    return editors.Wanted(node, project, Path("/usr/bin/gdb-multiarch"), setup)


def files(project: Path) -> dict[str, bytes]:
    return {
        path.relative_to(project).as_posix(): path.read_bytes()
        for path in sorted(project.rglob("*"))
        if path.is_file() and ".edgepack" not in path.parts
    }


ALL = (".vscode/launch.json", ".vscode/tasks.json", ".gdbinit", "compile_commands.json")


def test_the_second_run_changes_nothing(tmp_path: Path) -> None:
    assert editors.write_vscode(wanted(tmp_path)) == editors.Written(ALL, ())
    before = files(tmp_path)
    assert editors.write_vscode(wanted(tmp_path)) == editors.Written((), ())
    assert files(tmp_path) == before


def test_a_task_that_an_entry_names_is_there_and_the_ports_agree(tmp_path: Path) -> None:
    editors.write_vscode(wanted(tmp_path))
    launch = jsonc.read((tmp_path / ".vscode" / "launch.json").read_text()).value["configurations"]
    tasks = jsonc.read((tmp_path / ".vscode" / "tasks.json").read_text()).value["tasks"]
    labels = {task["label"]: task for task in tasks}
    for entry in launch:
        assert entry["preLaunchTask"] in labels
    for task in tasks:
        depends = task.get("dependsOn", [])
        assert {depends} <= set(labels) if isinstance(depends, str) else set(depends) <= set(labels)
    port = labels["edgepack: debug box-07"]["args"][-1]
    assert launch[0]["miDebuggerServerAddress"] == f"127.0.0.1:{port}"
    assert launch[2]["processCreateCommands"] == [f"gdb-remote 127.0.0.1:{port}"]
    assert str(tmp_path) not in (tmp_path / ".vscode" / "launch.json").read_text(), "it may be committed"
    assert launch[2]["sourceMap"]["/user"] == "${workspaceFolder}"


def test_a_second_box_stands_beside_the_first(tmp_path: Path) -> None:
    editors.write_vscode(wanted(tmp_path))
    written = editors.write_vscode(wanted(tmp_path, "box-08"))
    assert written.changed == ALL[:2]
    assert written.kept == (".gdbinit: the lines of edgepack",)
    launch = jsonc.read((tmp_path / ".vscode" / "launch.json").read_text()).value["configurations"]
    assert len({entry["name"] for entry in launch}) == 6
    assert len({entry.get("miDebuggerServerAddress") for entry in launch} - {None}) == 2


def test_what_the_user_has_and_what_they_changed_stays(tmp_path: Path) -> None:
    launch = tmp_path / ".vscode" / "launch.json"
    launch.parent.mkdir()
    launch.write_text(
        '{\n  // mine\n  "configurations": [\n    {"name": "python", "type": "debugpy"}, // old\n  ]\n}\n'
    )
    (tmp_path / ".gdbinit").write_text("set history save on")
    (tmp_path / "compile_commands.json").write_text("[1]")
    written = editors.write_vscode(wanted(tmp_path))
    assert written.kept == ("compile_commands.json",)
    text = launch.read_text()
    assert "// mine" in text
    assert "// old" in text
    assert (tmp_path / ".gdbinit").read_text().startswith("set history save on\n# edgepack: box-07.")
    launch.write_text(text.replace('"stopAtConnect": true', '"stopAtConnect": false'))
    before = files(tmp_path)
    again = editors.write_vscode(wanted(tmp_path))
    assert again.changed == ()
    assert ".vscode/launch.json: edgepack: attach to box-07" in again.kept
    assert files(tmp_path) == before


def test_a_file_of_another_form_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    tasks = tmp_path / ".vscode" / "tasks.json"
    tasks.parent.mkdir()
    tasks.write_text('{\n  "tasks": [\n    {"label": }\n  ]\n}\n')
    with pytest.raises(EditorError) as refused:
        editors.write_vscode(wanted(tmp_path))
    assert refused.value.where == f"{tasks}:3"
    assert list(files(tmp_path)) == [".vscode/tasks.json"]


def test_the_symbols_name_follows_the_release(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
        editors.point(tmp_path, "box-07", tmp_path / name)
        assert editors.link(tmp_path, "box-07").read_text() == name
