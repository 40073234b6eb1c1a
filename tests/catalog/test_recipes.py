"""Recipes as they are found: one that cannot be read stops what needs recipes, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgepack.catalog import recipes
from edgepack.cli.main import main
from edgepack.errors import Exit, InputError

MANIFEST = "name: net\nversion: 1.0.0\nmodel:\n  file: net.onnx\ntargets: {x86_64: {}}\n"
BROKEN = {"no YAML": "summary: [", "another key": "summery: x\n", "empty": "", "binary": "\x00\x01"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "edgepack.yaml").write_text(MANIFEST)
    (tmp_path / "net.onnx").write_bytes(b"never read")
    return tmp_path


def put(project: Path, name: str, text: str) -> None:
    (project / "recipes" / name).mkdir(parents=True)
    (project / "recipes" / name / "recipe.yaml").write_text(text)


def run(capsys: pytest.CaptureFixture[str], project: Path, *words: str) -> tuple[int, str]:
    code = main(["-C", str(project), *words])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("words", [("plan",), ("recipes",), ("check",)], ids=" ".join)
def test_what_needs_recipes_tells_once_which_cannot_be_read(
    kind: str, words: tuple[str, ...], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(project, "own-rknn", BROKEN[kind])
    code, said = run(capsys, project, *words)
    assert code == Exit.INPUT
    assert said.count("cannot be read: own-rknn") == 1
    assert str(project / "recipes" / "own-rknn") in said.replace("\n", "")


@pytest.mark.parametrize("words", [("targets",), ("status",), ("schema",), ("clean",)], ids=" ".join)
def test_what_needs_none_goes_on(
    words: tuple[str, ...], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    healthy = run(capsys, project, *words)
    put(project, "own-rknn", BROKEN["no YAML"])
    assert run(capsys, project, *words) == healthy


def test_all_that_are_wrong_are_told_at_once(project: Path) -> None:
    for name in ("one", "two"):
        put(project, name, BROKEN["another key"])
    with pytest.raises(InputError) as told:
        recipes.load_all(project)
    assert told.value.what == "2 recipes cannot be read: one, two"
    assert {problem.file for problem in told.value.problems} == {
        "recipes/one/recipe.yaml",
        "recipes/two/recipe.yaml",
    }


def test_what_is_missing_is_told_with_where_it_comes_from_and_the_key(
    capsys: pytest.CaptureFixture[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("EDGEPACK_SDK_CANN", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(project / "config"))
    code = main(["-C", str(project), "recipes", "onnx-om"])
    said = capsys.readouterr().out
    assert code == Exit.OK
    for words in ("needs Ascend CANN toolkit", "https://www.hiascend.com/", "sdk: {cann: FOLDER}"):
        assert words in said
