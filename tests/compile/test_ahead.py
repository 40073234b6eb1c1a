"""What `plan` refuses is what `build` refuses, in the same words, and before anything is converted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgepack.cli.main import main
from edgepack.errors import Exit
from edgepack.tools.qemu import host_arch

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits"
PINNED = "numpy==2.1.3 \\\n    --hash=sha256:" + "0" * 64 + "\n    # via -r requirements.in\n"
POST = "def decode(outputs, record): pass\n"
KEY = "encryption: {id: 0123456789abcdef, key: %s}"

# What is asked of the target, what stands below in edgepack.yaml, files; and what must be told.
Case = tuple[str, str, dict[str, str], int, str, str]


def python(lock: str = PINNED, post: str = POST, target: str = "x86_64") -> tuple[str, str, dict[str, str]]:
    section = "python: {version: '3.11', requirements: r.txt}"
    return f"{target}: {{}}", section, {"r.txt": lock, "src/post.py": post}


REFUSED: dict[str, Case] = {
    "a node that nobody knows": (
        "x86_64: {toolchain: {node: edge-99}}", "", {}, Exit.INPUT, "edge-99", "fleet.yaml",
    ),
    "a sandbox as a node": (
        "x86_64: {toolchain: {node: box-07}}", "", {}, Exit.INPUT, "box-07 is a sandbox", "fleet.yaml",
    ),
    "an image that is not there": (
        "x86_64: {toolchain: {container: 'vendor/no-such:1'}}", "", {}, Exit.TOOL, "vendor/no-such:1", "",
    ),
    "a vendor's gcc that is not there": (
        "x86_64: {toolchain: {gcc: /no/bin/aarch64-linux-gnu-gcc}}",
        "", {}, Exit.TOOL, "no aarch64-linux-gnu-gcc for x86_64", "/no/bin",
    ),
    "a sink in the source": (
        "x86_64: {}", "sink: {kind: jsonl, path: inbox/answers.jsonl}", {},
        Exit.INPUT, "the source inbox and the sink inbox/answers.jsonl", "edgepack.yaml:<sink:>",
    ),
    "a package without a digest": (
        *python("numpy==2.1.3\n"), Exit.INPUT, "r.txt does not pin the packages", "r.txt",
    ),
    "a package without a version": (
        *python(PINNED.replace("==", ">=")), Exit.INPUT, "r.txt does not pin the packages", "r.txt",
    ),
    "no numpy": (*python("# nothing\n"), Exit.INPUT, "r.txt does not pin the packages", "r.txt"),
    "an entry of another name": (
        *python(post="def other(outputs, record): pass\n"),
        Exit.COMPILE, "src/post.py does not define `def decode(outputs, record)`", "src/post.py",
    ),
    "no Python": (
        *python(post="def decode(\n"), Exit.COMPILE, "src/post.py is not Python", "src/post.py:1",
    ),
    "no wheels for the architecture": (
        *python(target="armhf"), Exit.INPUT, "no packages of Python for armhf", "edgepack.yaml:<armhf>",
    ),
    "no key for the model": (
        "x86_64: {}", KEY % "{env: NO_SUCH_KEY}", {},
        Exit.INPUT, "the secret encryption.key is not to be had: the variable NO_SUCH_KEY is not set", "",
    ),
    "golden vectors that are none": (
        "x86_64: {}", "", {"data/golden.npz": "x"},
        Exit.MODEL, "golden.npz does not hold golden vectors", "data/golden.npz (edgepack.yaml:<golden:>)",
    ),
}  # fmt: skip

if shutil.which("riscv64-linux-gnu-g++") is None and host_arch() != "riscv64":
    REFUSED["Debian's gcc that is not there"] = (
        "riscv64: {toolchain: gcc}", "", {}, Exit.TOOL, "no riscv64-linux-gnu-g++ for riscv64", "",
    )  # fmt: skip


def write(folder: Path, target: str, below: str, files: dict[str, str]) -> str:
    skipped = shutil.ignore_patterns(".edgepack", "dist", "edgepack.lock", "train", "val")
    shutil.copytree(DIGITS, folder, ignore=skipped)
    (folder / "data" / "val").mkdir()
    text = (folder / "edgepack.yaml").read_text()
    head, targets, rest = text.partition("targets:\n")
    others = "".join(line for line in rest.splitlines(keepends=True) if not line.startswith(" "))
    if "src/post.py" in files:
        head = head.replace("src/post.cpp", "src/post.py")
    if below.startswith("sink:"):
        head = "".join(line for line in head.splitlines(keepends=True) if not line.startswith("sink:"))
    text = f"{head}{targets}  {target}\n{others}{below}\n"
    (folder / "edgepack.yaml").write_text(text)
    for name, content in files.items():
        (folder / name).write_text(content)
    return text


def told(capsys: pytest.CaptureFixture[str], folder: Path, command: str) -> tuple[int, dict[str, Any]]:
    code = main(["-C", str(folder), command, "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("case", REFUSED)
def test_plan_refuses_what_build_does_before_anything_is_made(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    target, below, files, code, what, where = REFUSED[case]
    text = write(tmp_path / "digits", target, below, files)
    planned = told(capsys, tmp_path / "digits", "plan")
    assert planned == told(capsys, tmp_path / "digits", "build")
    assert planned[0] == code, planned
    assert what in planned[1]["what"], planned
    if "<" in where:
        mark = where.partition("<")[2].partition(">")[0]
        line = next(n for n, said in enumerate(text.splitlines(), 1) if mark in said)
        where = where.replace(f"<{mark}>", str(line))
    assert where in planned[1]["where"]
    assert planned[1]["fix"] or planned[1]["why"]
    assert not (tmp_path / "cache" / "store").is_dir() or not any((tmp_path / "cache" / "store").iterdir())


def test_each_line_that_is_not_pinned_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    lock = f"# written by hand\n{PINNED}requests\nsix==1.16.0 ; python_version > '3' # no digest\n"
    write(tmp_path / "digits", *python(lock))
    code, error = told(capsys, tmp_path / "digits", "plan")
    assert code == Exit.INPUT
    assert [(p["line"], p["message"].split()[0]) for p in error["problems"]] == [(5, "requests"), (6, "six")]
    assert error["fix"].endswith(" requirements.in -o r.txt")
    assert "--python-version 3.11 --python-platform x86_64-manylinux_2_" in error["fix"]


def test_what_is_in_order_is_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEPACK_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "digits", *python())
    code, plan = told(capsys, tmp_path / "digits", "plan")
    assert code == Exit.OK
    assert "digits@x86_64/compile" in [step["id"] for step in plan["steps"]]
