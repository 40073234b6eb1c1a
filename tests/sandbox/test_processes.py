from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from edgepack.sandbox import processes


def sleeper(**env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], **env})


def test_only_the_exact_mark_counts(tmp_path: Path) -> None:
    folder = tmp_path / "box-0"
    mine = sleeper(EDGEPACK_SANDBOX=str(folder))
    others = [sleeper(EDGEPACK_SANDBOX=f"{folder}7"), sleeper(OTHER=str(folder))]
    try:
        time.sleep(0.2)  # until exec, a child still has this process's environment
        assert processes.marked(folder) == {mine.pid}
    finally:
        for process in (mine, *others):
            process.kill()
            process.wait()
    assert processes.marked(folder) == set()


def test_whoever_asks_from_inside_the_box_does_not_count_itself(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from edgepack.sandbox import processes;"
        "print(processes.marked(Path(sys.argv[1])))"
    )
    env = {**os.environ, "EDGEPACK_SANDBOX": str(tmp_path), "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", code, tmp_path], env=env, capture_output=True, check=True)
    assert done.stdout == b"set()\n"


def test_a_process_that_ended_is_not_there_even_before_its_parent_looked() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert process.pid not in processes.table()
    process.wait()


def test_ending_asks_first_and_insists_later() -> None:
    polite = sleeper()
    stubborn = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo ready; exec sleep 60"], stdout=subprocess.PIPE
    )
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    pids = {polite.pid, stubborn.pid}
    assert processes.end(lambda: pids & processes.table().keys(), 0.3) == set()
    assert polite.wait() == -signal.SIGTERM
    assert stubborn.wait() == -signal.SIGKILL
    stubborn.stdout.close()
