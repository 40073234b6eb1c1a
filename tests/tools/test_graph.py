"""Jobs run after what they need, at once where they can, and stop at the first failure."""

from __future__ import annotations

import signal
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgepack.tools import runner
from edgepack.tools.graph import Job, run_graph
from edgepack.tools.runner import command, run


@given(st.lists(st.sets(st.integers(0, 9), max_size=3), min_size=1, max_size=10))
def test_every_job_runs_once_and_after_its_needs(edges: list[set[int]]) -> None:
    done: list[str] = []
    jobs = {
        str(n): Job(tuple(str(need) for need in needs if need < n), lambda n=n: done.append(str(n)))
        for n, needs in enumerate(edges)
    }
    run_graph(jobs, workers=4)
    assert sorted(done) == sorted(jobs)
    for name, job in jobs.items():
        assert all(done.index(need) < done.index(name) for need in job.needs)


def test_independent_jobs_run_at_the_same_time() -> None:
    barrier = threading.Barrier(3, timeout=10)
    run_graph({str(n): Job((), lambda: (barrier.wait(), None)[1]) for n in range(3)}, workers=3)


def test_those_that_want_to_be_alone_are() -> None:
    inside, most = [0], [0]

    def work() -> None:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        inside[0] -= 1

    run_graph({str(n): Job((), work, alone=True) for n in range(4)}, workers=4)
    assert most == [1]


def test_a_failure_stops_what_has_not_begun() -> None:
    ran = []

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_graph({"a": Job((), fail), "b": Job(("a",), lambda: ran.append("b"))}, workers=2)
    assert ran == []


def test_a_failure_ends_what_runs_and_lets_later_jobs_start_programs() -> None:
    began, interrupted = threading.Event(), []

    def sleep() -> None:
        began.set()
        try:
            run(command("sleep", "60"))
        except KeyboardInterrupt:
            interrupted.append("sleep")
            raise

    def fail() -> None:
        began.wait(10)
        time.sleep(0.1)
        raise ValueError("no")

    since = time.monotonic()
    with pytest.raises(ValueError, match="no"):
        run_graph({"sleeps": Job((), sleep), "fails": Job((), fail)}, workers=2)
    assert time.monotonic() - since < 30
    assert interrupted == ["sleep"]
    assert run(command("true")).ok


def test_a_signal_that_another_thread_takes_is_heard_at_once() -> None:
    """As the kernel may give it to any of them, where the one that waits has been stopped."""
    finished = []

    def work() -> None:
        time.sleep(0.3)  # the other thread waits by then
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        run(command("sleep", "30"))
        finished.append("the program came to its own end")

    try:
        with pytest.raises(KeyboardInterrupt):
            run_graph({"work": Job((), work)}, workers=2)
    finally:
        runner.resume()
    assert finished == []
