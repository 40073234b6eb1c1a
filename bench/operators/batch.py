"""Many conversions by one recipe, in its own environment: ``batch.py ASKED.json``.

What the recipe's programs import is imported once (``module``, or ``module:function`` that is called first);
each model is then converted in a process forked from this one, by the recipe's own ``convert``, so that a
tool's crash is that model's alone. The answer is ``report.json`` in the request's ``out``, as
``recipes/kit/launch.py`` writes it; where a process ended without one, or did not end, ``ended`` in
``answers.jsonl`` says how. Plain Python 3.9 and NumPy.
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import resource
import runpy
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

TICK_S = 0.02


def main(asked: dict[str, Any]) -> None:
    sys.path[:0] = [asked["kit"], asked["recipe"]]
    for name in asked["warm"]:
        module, _, function = name.partition(":")
        imported = importlib.import_module(module)
        if function:
            getattr(imported, function)()
    if asked["warm"]:
        _forked_steps()
    recipe = importlib.import_module("convert")
    with open(asked["answers"], "a") as answers:
        for job in asked["jobs"]:
            began = time.monotonic()
            work = functools.partial(_converted, recipe, job, asked)
            ended = _in_a_process(work, Path(job["log"]), job["timeout_s"])
            seconds = round(time.monotonic() - began, 2)
            answers.write(json.dumps({"id": job["id"], "ended": ended, "seconds": seconds}) + "\n")
            answers.flush()


def _converted(recipe: ModuleType, job: dict[str, Any], asked: dict[str, Any]) -> None:
    """In the forked process: what launch.py does, and the outputs held where the recipe does not do it."""
    from edgepack_recipe import Refused, Request

    body = job["request"]
    os.chdir(body["work"])
    os.environ.update(HOME=body["work"], TMPDIR=body["work"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = asked["memory_mb"] << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        report = {"ok": True, **recipe.convert(Request.from_json(body))}
        if "parity" not in report:
            _hold(report, body)
    except Refused as refused:
        report = {"ok": False, "error": refused.as_json()}
    unfinished = Path(body["out"]) / ".report.json"
    unfinished.write_text(json.dumps(report))
    unfinished.replace(Path(body["out"]) / "report.json")


def _hold(report: dict[str, Any], body: dict[str, Any]) -> None:
    from edgepack_recipe import Simulation, held, tensors, trained

    model = trained.read(Path(body["model"]), (1, 99))
    file = Path(body["work"]) / "look.npz"
    tensors.save(file, tensors.stacked(list(trained.draws(model, 4))))
    asked = {"model": body["out"], "report": report, "inputs": str(file), "work": body["work"]}
    given = importlib.import_module("run").run(Simulation.from_json(asked))
    pairs = [
        ({name: array[n : n + 1] for name, array in given.items()}, model.run(feeds))
        for n, feeds in enumerate(tensors.samples(file))
    ]
    held.hold("the runtime", body["precision"], pairs)


def _in_a_process(work: Callable[[], None], log: Path, timeout_s: float) -> str:
    """How it ended, in words; empty where it ended well."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _become(log)
        code = 1
        try:
            work()
            code = 0
        except SystemExit as left:
            code = left.code if isinstance(left.code, int) else int(left.code is not None)
            print(left.code, flush=True)
        except BaseException:  # noqa: BLE001 - whatever it is: it is told, and the process ends
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return _waited(child, timeout_s)


def _become(log: Path) -> None:
    os.setsid()  # so that all it starts can be ended with it
    handle = os.open(str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(handle, 1)
    os.dup2(handle, 2)


def _waited(child: int, timeout_s: float) -> str:
    until = time.monotonic() + timeout_s
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > until:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "timeout"
        time.sleep(TICK_S)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    code = os.WEXITSTATUS(status)
    return f"exit code {code}" if code else ""


def _forked_steps() -> None:
    """The kit's ``step`` for a recipe's own Python files: forked, where it would start Python anew."""
    import edgepack_recipe
    from edgepack_recipe import steps

    started = steps.step

    def step(*argv: object, cwd: Path, timeout_s: int = 600, env: Mapping[str, str] | None = None) -> Any:
        words = [str(word) for word in argv]
        if not words[0].endswith(".py"):
            return started(*argv, cwd=cwd, timeout_s=timeout_s, env=env)
        cwd.mkdir(parents=True, exist_ok=True)
        log = cwd / ".noise"

        def work() -> None:
            os.chdir(str(cwd))
            os.environ.update({"HOME": str(cwd), "TMPDIR": str(cwd), **(env or {})})
            sys.argv[:] = words
            runpy.run_path(words[0], run_name="__main__")

        ended = _in_a_process(work, log, timeout_s)
        noise = steps.plain(log.read_bytes() if log.is_file() else b"")
        log.unlink()
        print(noise, flush=True)
        return steps.Step(_code(ended, steps.TIMED_OUT), noise, timeout_s)

    steps.step = edgepack_recipe.step = step


def _code(ended: str, timed_out: int) -> int:
    if ended == "timeout":
        return timed_out
    if ended.startswith("SIG"):
        return -signal.Signals[ended].value
    return int(ended.rsplit(maxsplit=1)[-1]) if ended else 0


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
