"""The rules of the house that a machine can keep: sizes, who prints and starts programs, what is imported."""

from __future__ import annotations

import ast
import configparser
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 400
MAX_FUNCTION = 60
SOURCES = {".py", ".sh", ".cpp", ".hpp", ".h", ".j2", ".cmake"}

PRINTS = {
    "edgepack/cli/screen.py": "the one place for what users see",
    "edgepack/cli/main.py": "--version answers before the screen is imported; a broken pipe is closed",
    "edgepack/cli/quick.py": "a build with nothing to do answers before the screen is imported",
    "recipes/kit/edgepack_recipe/steps.py": "hands on to that log what a recipe's own step said",
}
STARTS_PROGRAMS = {
    "edgepack/tools/runner.py": "the one place",
    "edgepack/sandbox/children.py": "the box's own processes: they live on when edgepack and a client go",
    "recipes/kit/edgepack_recipe/steps.py": "runs in a recipe's own environment, where there is no edgepack",
    "recipes/kit/edgepack_recipe/steady.py": "there too: becomes itself once more, with fixed addresses",
    "recipes/onnx-tnn/start.py": "runs in the toolkit's Python, and its converter wants a folder of its own",
}
# Known places that packages come from. Whose are asked is the user's affair, never ours.
REGISTRIES = (
    r"pypi\.org|pythonhosted\.org|anaconda\.org|registry\.npmjs|crates\.io|proxy\.golang|huggingface\.co"
    r"|deb\.debian\.org|(?:ftp|security)\.debian\.org|snapshot\.debian\.org|archive\.ubuntu\.com"
    r"|(?:docker|ghcr|quay)\.io|\bmirrors?\.[a-z0-9-]+\.[a-z]"
)
# Folders of some developer's machine. The accounts `u`, `edge` and `pi` are nobody's.
DEVELOPERS = r"(?<![\w.>})/-])/(?:root|work|workspace|Users|mnt|home/(?!(?:u|edge|pi)\b))[/\w]"


def tracked(*patterns: str) -> list[str]:
    """What git has, or is about to have: names in the repository."""
    asked = ["git", "-C", str(ROOT), "ls-files", "-z", *patterns]
    named = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in named if name and (ROOT / name).is_file()]


def text_of(name: str) -> str:
    """A file's text; nothing for what is not text."""
    raw = (ROOT / name).read_bytes()
    return "" if b"\0" in raw[:8192] else raw.decode("utf-8", "replace")


def functions(name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(text_of(name), name)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def test_no_file_is_longer_than_one_can_hold_in_mind() -> None:
    names = [name for name in tracked() if Path(name).suffix in SOURCES]
    assert len(names) > 100
    long = {name: lines for name in names if (lines := text_of(name).count("\n")) > MAX_LINES}
    assert long == {}


def test_a_function_fits_a_screen() -> None:
    names = tracked("edgepack/*.py", "recipes/*.py", "tests/*.py", "bench/*.py", "docs/*.py")
    long = [
        f"{name}:{function.lineno} {function.name}"
        for name in names
        for function in functions(name)
        if (function.end_lineno or 0) - function.lineno >= MAX_FUNCTION
    ]
    assert long == []


def _calls(name: str) -> Iterator[str]:
    """``print``, ``sys.stdout``, ``os.write``: whatever the file names with or without a dot."""
    for node in ast.walk(ast.parse(text_of(name), name)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id


def test_only_the_screen_prints() -> None:
    printing = {"print", "input", "sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__"}
    found = {name for name in tracked("edgepack/*.py", "recipes/*.py") if printing & set(_calls(name))}
    assert found == set(PRINTS)


def _imports(name: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text_of(name), name)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def test_only_the_runner_starts_programs() -> None:
    starting = {"subprocess", "pty", "multiprocessing", "asyncio"}
    spawning = re.compile(r"os\.(system|popen|spawn\w+|posix_spawn\w*|exec[lv]p?e?|fork\w*)")
    names = tracked("edgepack/*.py", "recipes/*.py")
    found = {
        name
        for name in names
        if starting & _imports(name) or any(spawning.fullmatch(call) for call in _calls(name))
    }
    assert found == set(STARTS_PROGRAMS)


def test_nobody_changes_the_folder_or_the_environment() -> None:
    found = [
        f"{name}: {call}"
        for name in tracked("edgepack/*.py", "recipes/*.py")
        for call in _calls(name)
        if call in ("os.chdir", "os.putenv", "os.unsetenv")
    ]
    assert found == []


def test_packages_import_nothing_by_themselves() -> None:
    for name in tracked("*/__init__.py"):
        if name == "edgepack/__init__.py":
            assert _imports(name) == set()
        elif name != "recipes/kit/edgepack_recipe/__init__.py":  # the one name that a recipe imports
            assert text_of(name).strip() == "", name


@pytest.mark.parametrize(
    "name", ["utils", "util", "helpers", "helper", "common", "misc", "manager", "base", "core"]
)
def test_no_file_is_named_after_nothing(name: str) -> None:
    assert tracked(f"*/{name}.py", f"*/{name}/*") == []


@pytest.mark.parametrize("pattern", [REGISTRIES, DEVELOPERS], ids=["registry", "machine"])
def test_no_file_names_where_it_was_made(pattern: str) -> None:
    found = [f"{name}: {place[0]}" for name in tracked() for place in re.finditer(pattern, _said(name))]
    assert found == []


def _said(name: str) -> str:
    """A file's text; of a list of Debian's packages without their names, of which one is like a host's."""
    if name != "tests/lab/packages.txt":
        return text_of(name)
    return "\n".join(line.partition(" ")[2] for line in text_of(name).splitlines())


def _places_of_this_machine() -> set[str]:
    """Hosts and folders that this machine's pip and uv are told to ask, and where the checkout lies."""
    told = [value for key, value in os.environ.items() if re.match(r"(PIP|UV)_.*(INDEX|LINKS|HOST)", key)]
    config = configparser.RawConfigParser()
    config.read(
        ["/etc/pip.conf", os.path.expanduser("~/.pip/pip.conf"), os.environ.get("PIP_CONFIG_FILE", "")]
    )
    for section in config.sections():
        told += [value for key, value in config.items(section) if re.search("index|links|host", key)]
    places = set()
    for word in " ".join(told).split():
        parts = urlsplit(word if "//" in word else f"//{word}")
        path = word if word.startswith("/") else parts.path if parts.scheme == "file" else ""
        places |= {path.rstrip("/"), parts.hostname or ""}
    return {place for place in {*places, str(ROOT)} if place.strip("/").count("/") or "." in place} - {
        "127.0.0.1"
    }


def test_nothing_of_this_machine_is_in_the_repository() -> None:
    texts = {name: text_of(name) for name in tracked()}
    found = [
        f"{name}: {place}"
        for place in _places_of_this_machine()
        for name, text in texts.items()
        if place in text
    ]
    assert found == []


# ---- start-up

QUICK = {
    "--version": set(),
    "--help": set(),
    "build --help": set(),
    "deploy --help": set(),
    "sandbox up --help": set(),
    "completion bash": {"shtab"},
}


def foreign_imports(*words: str) -> set[str]:
    """The packages that a command imports and that are neither Python's own nor edgepack's."""
    run = [sys.executable, "-X", "importtime", "-m", "edgepack", *words]
    bare = [sys.executable, "-X", "importtime", "-c", "pass"]
    found, always = (
        {line.rpartition("|")[2].strip().partition(".")[0] for line in said.splitlines() if "|" in line}
        for said in (
            subprocess.run(argv, check=True, capture_output=True, text=True).stderr for argv in (run, bare)
        )
    )
    windows = {"_winapi", "nt", "org"}  # tried by the standard library itself, and not there
    return found - always - set(sys.stdlib_module_names) - {"edgepack", "imported package"} - windows


@pytest.mark.parametrize(("words", "allowed"), QUICK.items(), ids=list(QUICK))
def test_what_must_be_quick_imports_nothing(words: str, allowed: set[str]) -> None:
    assert foreign_imports(*words.split()) == allowed


def test_what_may_be_slow_is_seen_to_import() -> None:
    assert {"pydantic", "yaml"} <= foreign_imports("targets")


@pytest.mark.slow
def test_a_build_with_nothing_to_do_imports_nothing(tmp_path: Path) -> None:
    digits = tmp_path / "digits"
    for name in tracked("examples/digits"):
        (digits / Path(name).relative_to("examples/digits")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, digits / Path(name).relative_to("examples/digits"))
    build = ["build", "raspberry-pi-4", "-C", str(digits)]
    said = ""
    for _ in range(3):  # built; seen to be up to date; answered from stats
        argv = [sys.executable, "-m", "edgepack", *build]
        said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    assert "nothing to do" in said
    assert foreign_imports(*build) == set()
