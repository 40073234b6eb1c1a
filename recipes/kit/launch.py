"""Starts a recipe's program in its environment: ``launch.py PROGRAM REQUEST.json``.

PROGRAM is a recipe's ``convert.py``, ``run.py`` or another one with a function of its own name. The answer
is ``report.json`` in the request's ``out``: ``{"ok": true, ...}``, or ``{"ok": false, "error": {...}}``. A
process that ends without one has crashed.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path


def main(program: Path, request_file: Path) -> None:
    sys.path[:0] = [str(Path(__file__).resolve().parent), str(program.parent)]
    from edgepack_recipe import Refused, Request, Simulation, tensors

    body = json.loads(request_file.read_text())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    out = Path(body["out"])
    began = time.monotonic()
    recipe = importlib.import_module(program.stem)
    try:
        if program.stem == "run":
            tensors.save(out / "outputs.npz", recipe.run(Simulation.from_json(body)))
            report = {"ok": True, "files": ["outputs.npz"]}
        else:
            asked = getattr(recipe, program.stem)
            report = {"ok": True, **asked(Request.from_json(body))}
    except Refused as refused:
        report = {"ok": False, "error": refused.as_json()}
    report.update(seconds=round(time.monotonic() - began, 3), cpu_s=cpu_s(), peak_mb=peak_mb())
    unfinished = out / ".report.json"
    unfinished.write_text(json.dumps(report, indent=1, sort_keys=True) + "\n")
    unfinished.replace(out / "report.json")


def cpu_s() -> float:
    """Seconds of processor time, on all cores: the same, nearly, whatever else the machine does."""
    usages = [resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return round(sum(usage.ru_utime + usage.ru_stime for usage in usages), 3)


def peak_mb() -> int:
    """The most memory that this process or one of those it waited for had at a time, MiB.

    Its own from proc(5): getrusage(2) also counts what the process that started it had before exec.
    """
    status = Path("/proc/self/status").read_text()
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
