"""Runs a graph of jobs in threads: each after those it needs, the first failure stops the rest.

By hand rather than by a library: graphlib (standard library) keeps the order, and what is left is a
loop; the workflow engines on offer bring schedulers, databases and servers of their own.
"""

from __future__ import annotations

import graphlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from edgepack.tools import runner

_HEARD_WITHIN_S = 0.5  # Ctrl-C, at the latest


@dataclass(frozen=True)
class Job:
    """Something to run once its needs have ended. ``alone``: no other such job beside it."""

    needs: tuple[str, ...]
    work: Callable[[], None]
    alone: bool = False


def run_graph(jobs: Mapping[str, Job], workers: int) -> None:
    """Run all jobs. Raises the first error, once what was running has been ended.

    Needs that are not among the jobs count as done. A failure and Ctrl-C end the programs that jobs have
    started: who wrote a wrong line is to hear of it now, not when a library has been compiled.
    """
    order = graphlib.TopologicalSorter(
        {name: [need for need in job.needs if need in jobs] for name, job in jobs.items()}
    )
    order.prepare()
    one_at_a_time = threading.Lock()
    running: dict[Future[None], str] = {}
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="edgepack")
    try:
        while order.is_active():
            for name in order.get_ready():
                running[pool.submit(_run, jobs[name], one_at_a_time)] = name
            # A signal may reach any thread, and Python hears it when this one wakes up.
            ended, _ = wait(running, timeout=_HEARD_WITHIN_S, return_when=FIRST_COMPLETED)
            for future in ended:
                name = running.pop(future)
                future.result()
                order.done(name)
    except BaseException as error:
        for future in running:
            future.cancel()
        runner.stop_all()
        pool.shutdown(wait=True, cancel_futures=True)
        if not isinstance(error, KeyboardInterrupt):
            runner.resume()
        raise
    pool.shutdown()


def _run(job: Job, one_at_a_time: threading.Lock) -> None:
    if not job.alone:
        return job.work()
    with one_at_a_time:
        return job.work()
