"""Start-up of edgepack against bare Python, in one run: ``python -m bench.startup``.

Each command is started in turn, round after round, so that a noisy machine disturbs all of them alike;
medians, and the ratio to bare Python, which is the floor.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 40
HEAVY = ("pydantic", "jinja2", "fabric", "paramiko", "rich", "yaml", "elftools", "pypi_simple", "requests")


def main() -> None:
    edgepack = Path(sys.executable).parent / "edgepack"
    digits = Path(__file__).parent.parent / "examples" / "digits"
    rows = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "edgepack --version": [edgepack, "--version"],
        "edgepack --help": [edgepack, "--help"],
        "edgepack build --help": [edgepack, "build", "--help"],
        "edgepack build (nothing to do)": [edgepack, "build", "--for", "box-07", "-C", digits],
    }
    print("building once, so that there is nothing to do …", file=sys.stderr)
    for _ in range(2):
        subprocess.run(rows["edgepack build (nothing to do)"], check=True, stdout=subprocess.DEVNULL)
        time.sleep(0.1)
    times: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(ROUNDS):
        for name, argv in rows.items():
            began = time.perf_counter()
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - began)
    floor = statistics.median(times["python -c pass"])
    print(f"{'command':<34}{'median ms':>10}{'× bare Python':>15}   heavy imports")
    for name, argv in rows.items():
        median = statistics.median(times[name])
        print(f"{name:<34}{median * 1000:>10.1f}{median / floor:>15.2f}   {heavy(argv)}")


def heavy(argv: list[object]) -> str:
    """Which heavy packages a command imports, by Python's own account."""
    if "-c" in argv:
        return "none"
    words = [sys.executable, "-X", "importtime", "-m", "edgepack", *map(str, argv[1:])]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    found = [name for name in HEAVY if f"| {name}\n" in said.replace("|   ", "| ")]
    return ", ".join(found) or "none"


if __name__ == "__main__":
    main()
