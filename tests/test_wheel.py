"""The wheel is what git has, to the byte, and works installed, away from the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = ("targets", "recipes", "templates", "requirements/toolchain.txt")
PREFIX = "edgepack/_data/"


def tracked(*folders: str) -> dict[str, bytes]:
    """Files that git has, by their names in the repository, as they lie here now."""
    asked = ["git", "-C", str(ROOT), "ls-files", "-z", *folders]
    named = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split("\0")
    return {name: (ROOT / name).read_bytes() for name in named if name and (ROOT / name).is_file()}


def run(*argv: str | Path, cwd: Path, **env: str) -> str:
    """A program's stdout; its words on failure. It finds no module by this process's PYTHONPATH."""
    given = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(argv, cwd=cwd, env={**given, **env}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sdist and wheel, the wheel from the sdist, by the locked hatchling: no network, no isolation."""
    source = tmp_path_factory.mktemp("source")
    for name, data in tracked().items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    # What lies about in a checkout that was worked in must not get in.
    (source / "recipes" / "onnx-ncnn" / "__pycache__").mkdir()
    (source / "recipes" / "onnx-ncnn" / "__pycache__" / "convert.cpython-311.pyc").write_bytes(b"old")
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source, cwd=out, PIP_NO_INDEX="1")
    return out


@pytest.fixture(scope="module")
def wheel(dist: Path) -> dict[str, bytes]:
    """The wheel's files, by their names in it."""
    (file,) = dist.glob("*.whl")
    assert file.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def test_the_catalogue_is_in_it_to_the_byte(wheel: dict[str, bytes]) -> None:
    carried = {name.removeprefix(PREFIX): data for name, data in wheel.items() if name.startswith(PREFIX)}
    expected = tracked(*DATA)
    assert {name.partition("/")[0] for name in expected} == {
        "targets",
        "recipes",
        "templates",
        "requirements",
    }
    assert sorted(carried) == sorted(expected)
    assert carried == expected


def test_the_package_is_in_it_to_the_byte(wheel: dict[str, bytes]) -> None:
    carried = {name for name in wheel if name.startswith("edgepack/") and not name.startswith(PREFIX)}
    expected = tracked("edgepack")
    assert carried == set(expected)
    assert all(wheel[name] == data for name, data in expected.items())
    assert {".sh", ".cmake", ".json", ".py"} <= {Path(name).suffix for name in carried}


def test_nothing_else_is_in_it(wheel: dict[str, bytes]) -> None:
    papers = {name.partition("/")[2] for name in wheel if not name.startswith("edgepack/")}
    assert papers == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}


def test_the_sdist_has_what_a_packager_tests_with(dist: Path) -> None:
    (file,) = dist.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = tracked(
        "edgepack", "targets", "recipes", "templates", "tests", "examples", "requirements", "Makefile"
    )
    assert set(wanted) <= names
    assert not [name for name in names if name.startswith((".ci", "docs/proof")) or "__pycache__" in name]


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``edgepack`` in an environment of its own, which borrows the libraries of this one, not edgepack."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    (file,) = dist.glob("*.whl")
    python = home / "bin" / "python"
    run(
        shutil.which("uv", path=Path(sys.executable).parent) or "uv",
        "pip",
        "install",
        "--offline",
        "--no-deps",
        "--python",
        python,
        file,
        cwd=home,
    )
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=home).strip())
    # A path file's line is a folder to look in after the environment's own; that folder's path files,
    # one of which is the editable edgepack, are not read.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    found = run(python, "-c", "import edgepack; print(edgepack.__file__)", cwd=home).strip()
    assert Path(found).is_relative_to(site)
    return home / "bin" / "edgepack"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """``examples/digits`` in a folder that knows nothing of the checkout."""
    for name, data in tracked("examples/digits").items():
        file = tmp_path / "a folder" / Path(name).relative_to("examples")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return tmp_path / "a folder"


def test_installed_it_knows_its_targets(installed: Path, tmp_path: Path) -> None:
    known = json.loads(run(installed, "targets", "--json", cwd=tmp_path))
    assert {target["id"] for target in known} == {Path(name).stem for name in tracked("targets")}
    assert all("_data/targets" in target["file"] for target in known)


def test_installed_it_plans_a_build_elsewhere(installed: Path, elsewhere: Path) -> None:
    plan = json.loads(run(installed, "plan", "--json", "-C", "digits", cwd=elsewhere))
    stages = [step["stage"] for step in plan["steps"]]
    assert stages.count("convert") == 1
    assert stages.count("compile") == stages.count("package") == len(plan["choices"]) == 5


def test_the_keys_are_those_of_the_checkout(installed: Path, elsewhere: Path) -> None:
    """The same files give the same keys, so an installed edgepack takes what a checkout has cached."""
    words = ["plan", "--json", "-C", "digits"]
    here, there = (
        {step["id"]: step["key"] for step in json.loads(said)["steps"]}
        for said in (
            run(installed, *words, cwd=elsewhere),
            run(sys.executable, "-m", "edgepack", *words, cwd=elsewhere),
        )
    )
    assert here == there
