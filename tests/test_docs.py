"""What the pages say is so: a reference made from the code, links that lead somewhere, commands and files."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from edgepack import document
from edgepack.catalog import targets
from edgepack.catalog.targets import TargetFile
from edgepack.cli.main import parser
from edgepack.manifest import ranges
from edgepack.manifest.fleet import FleetFile
from edgepack.manifest.project import Manifest

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"nodes": FleetFile, "facts": TargetFile, "model": Manifest}  # the key that gives a file away


def _pages() -> list[str]:
    asked = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"]
    named = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in named if name and (ROOT / name).is_file()]


PAGES = _pages()


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """docs/generate.py."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_is_what_the_code_says(generate: ModuleType) -> None:
    expected = generate.pages()
    committed = {file.name: file.read_text() for file in (ROOT / "docs" / "reference").iterdir()}
    assert sorted(committed) == sorted(expected)
    old = [name for name, text in expected.items() if committed[name] != text]
    assert old == [], "run: .venv/bin/python docs/generate.py"


def test_every_key_and_option_says_what_it_is_for(generate: ModuleType) -> None:
    silent = [
        f"{name}: {line}"
        for name, text in generate.pages().items()
        for line in text.splitlines()
        if line.startswith("| `") and line.endswith("|  |")
    ]
    assert silent == []


# ---- links


def _without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def _anchors(text: str) -> set[str]:
    """The anchors that a renderer gives the headings."""
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    here = ROOT / page
    for link in re.findall(r"\]\(([^)\s]+)\)", _without_code(here.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        there = (here.parent / path).resolve() if path else here
        assert there.exists(), f"{page}: {link}"
        assert there.is_relative_to(ROOT)
        assert not anchor or anchor in _anchors(there.read_text()), f"{page}: {link}"


# ---- what people copy


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", (ROOT / page).read_text())


def _commands(page: str) -> list[str]:
    """Lines that a reader would type: ``$ edgepack …``, or ``edgepack …`` in a block with no language."""
    lines = [line for block in _blocks(page, "(?:sh|console)?") for line in block.splitlines()]
    found = [re.match(r"(?:\$ )?(edgepack .*)", line) for line in lines]
    return [match[1] for match in found if match]


def _words(line: str) -> list[str]:
    words = shlex.split(line.partition("  #")[0])[1:]
    plain = [index for index, word in enumerate(words) if word in ("|", ">", ">>", "&&", ";", "||")]
    return words[: plain[0]] if plain else words


@pytest.mark.parametrize("page", [p for p in PAGES if not p.startswith(("docs/reference", "docs/proof"))])
def test_commands_are_accepted(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in _commands(page):
        words = _words(line)
        if {"--help", "-h", "--version", "-V"} & set(words):
            continue
        try:
            parser(words).parse_args(words)
        except SystemExit:
            pytest.fail(f"{page}: {line}\n{capsys.readouterr().err}")


def test_there_are_commands_to_check() -> None:
    typed = {word for page in PAGES for line in _commands(page) for word in _words(line)[:1]}
    assert {"build", "deploy", "rollback", "status", "logs", "ask", "plan", "sandbox"} <= typed


@pytest.mark.parametrize("page", PAGES)
def test_files_in_the_pages_are_accepted(page: str) -> None:
    for block in _blocks(page, "yaml"):
        if "…" in block:
            continue  # a sketch
        found = yaml.safe_load(block)
        model = next((kind for key, kind in KINDS.items() if isinstance(found, dict) and key in found), None)
        if model is Manifest and not {"name", "version", "targets"} <= set(found):
            continue  # a part of one
        if model is None:
            continue
        said = document.parse(block.encode(), Path(page), page)
        document.load(model, replace(said, data=ranges.sampled(said.data)) if model is FleetFile else said)


def test_the_readme_claims_what_the_targets_claim() -> None:
    rows = re.findall(
        r"(?m)^\| ((?:`[a-z0-9_.-]+`(?:, )?)+) \| .* \| ([^|]+) \|$", (ROOT / "README.md").read_text()
    )
    claimed = [(name, proof) for names, proof in rows for name in re.findall("`([^`]+)`", names)]
    assert sorted(claimed) == [(target.id, target.verification()) for target in targets.load_all(None)]
