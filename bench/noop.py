"""A build with nothing to do, against ``make -q`` and ``git status`` on the same tree, in one run.

``python -m bench.noop``: all five targets of examples/digits are built (once), then a Makefile is written
whose rule has exactly the files that edgepack looks at as its prerequisites and the bundles as its
products, and both are asked in turn whether there is anything to do.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from edgepack.cli import quick

ROUNDS = 40


def main() -> None:
    edgepack = Path(sys.executable).parent / "edgepack"
    digits = Path(__file__).resolve().parent.parent / "examples" / "digits"
    build = [str(edgepack), "build", "-C", str(digits)]
    for _ in range(2):
        said = subprocess.run(build, check=True, capture_output=True, text=True).stdout
        time.sleep(0.1)
    assert "nothing to do" in said, said
    paths = quick.inputs(str(digits), build[1:])
    inputs = [p for p in paths if "/dist/" not in p and Path(p).is_file()]
    with tempfile.TemporaryDirectory() as folder:
        stamp = Path(folder) / "built"
        stamp.touch()
        makefile = Path(folder) / "Makefile"
        makefile.write_text(f"{stamp}: {' '.join(inputs)}\n\ttouch $@\n")
        rows = {
            "python -c pass": [sys.executable, "-c", "pass"],
            "edgepack build": build,
            "make -q": ["make", "-q", "-f", str(makefile)],
            "git status": ["git", "-C", str(digits), "status", "--short"],
        }
        times: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(ROUNDS):
            for name, argv in rows.items():
                began = time.perf_counter()
                subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
                times[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{len(inputs)} input files, {len(paths)} paths looked at, {ROUNDS} rounds, medians")
    print(f"{'':<18}{'ms':>8}{'× make -q':>12}{'less bare Python, ms':>24}")
    for name, value in medians.items():
        less = f"{(value - medians['python -c pass']) * 1000:.1f}" if name == "edgepack build" else ""
        print(f"{name:<18}{value * 1000:>8.1f}{value / medians['make -q']:>12.2f}{less:>24}")


if __name__ == "__main__":
    main()
