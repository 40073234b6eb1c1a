"""The lab installs what it needs once, and never passes by not having run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOBODY = 65534


def test_second_set_up_has_nothing_to_do() -> None:
    done = subprocess.run([HERE / "setup"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "lab: every Debian package is here\n")


def test_set_up_without_root_says_what_to_do() -> None:
    script = (HERE / "setup").read_bytes()
    done = subprocess.run(["sh", "-s"], input=script, user=NOBODY, capture_output=True, check=False, cwd="/")
    assert done.returncode == 5
    assert b"sudo make test-lab" in done.stderr


def test_tests_without_root_fail_and_do_not_skip() -> None:
    as_nobody = (  # in name only: a real nobody could not read this checkout
        f"import os, sys, pytest\nos.geteuid = lambda: {NOBODY}\nsys.exit(pytest.main(sys.argv[1:]))\n"
    )
    argv = [sys.executable, "-c", as_nobody, str(HERE / "test_boxes.py"), "-p", "no:cacheprovider"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=HERE.parents[1])
    assert done.returncode == 1
    assert "sudo make test-lab" in done.stdout
    assert "skipped" not in done.stdout
    assert "passed" not in done.stdout
