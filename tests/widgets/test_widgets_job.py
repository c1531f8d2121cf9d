"""Jobs: progress, cancel, errors, in a thread and inline."""

import threading

import pytest

import cutaway_widgets as cw
from cutaway.core import Cancelled


def follow(job):
    states = []
    job.observe(lambda change: states.append(change["new"]), "status")
    return states


def test_an_inline_job_reports_its_result_before_done():
    job = cw.Job(inline=True)
    states = follow(job)
    kept = []

    def work(tick):
        tick(0.5, "half")
        tick(1.0, "all")
        return 42

    job.start(work, name="Answer", on_done=lambda one: kept.append((one, job.status.state)))
    assert kept == [(42, "running")]
    assert job.result == 42
    assert (job.status.state, job.status.fraction, job.status.message) == ("done", 1.0, "all")
    assert job.status.name == "Answer"
    assert [one.state for one in states if one.state == "done"] == ["done"]
    assert job.wait()
    assert repr(job) == "Job(done, 100%, 'all')"


def test_reports_come_ten_times_a_second_at_most():
    job = cw.Job(inline=True)
    states = follow(job)
    job.start(lambda tick: [tick(i / 50_000, str(i)) for i in range(50_000)] and None)
    # However long it took: a report every 0.1 s, and the first and the last state.
    assert len(states) <= 2 + 10 * job.status.seconds + 1
    assert job.status.message == "49999"


def test_a_job_in_a_thread_hears_cancel_at_its_next_tick():
    job = cw.Job()
    states = follow(job)
    begun, closed = threading.Event(), threading.Event()

    def work(tick):
        try:
            while True:
                tick(0.3, "turning")
                begun.set()
                threading.Event().wait(0.001)
        finally:
            closed.set()

    done = []
    job.start(work, on_done=done.append)
    assert begun.wait(30)
    assert job.running
    job.cancel()
    assert job.wait(30)
    assert closed.is_set()
    assert job.status.state == "cancelled"
    assert (done, job.result, job.exception) == ([], None, None)
    assert [one.state for one in states][-2:] == ["cancelling", "cancelled"]


def test_work_runs_beside_the_caller_and_a_second_start_is_refused():
    job = cw.Job()
    gate = threading.Event()
    job.start(lambda _tick: gate.wait(30) and threading.current_thread().name, name="first")
    with pytest.raises(RuntimeError, match=r"job must be idle, got one running \(first\); cancel"):
        job.start(lambda _tick: None)
    assert not job.wait(0)
    gate.set()
    assert job.wait(30)
    assert job.result == "cutaway-job"
    job.start(lambda _tick: "again")
    assert job.wait(30)
    assert job.result == "again"


def test_an_exception_is_one_line_and_kept_whole():
    job = cw.Job(inline=True)

    def work(_tick):
        raise ValueError("k must lie in 1..5, got 9; lower k\ndetails")

    job.start(work)
    assert job.status.state == "failed"
    assert job.status.error == "ValueError: k must lie in 1..5, got 9; lower k"
    assert isinstance(job.exception, ValueError)
    assert job.exception.__traceback__ is not None


def test_a_failure_while_handing_over_is_a_failure():
    job = cw.Job(inline=True)
    job.start(lambda _tick: 1, on_done=lambda _one: 1 / 0)
    assert job.status.state == "failed"
    assert job.status.error.startswith("ZeroDivisionError")


def test_cancelled_from_the_work_itself_is_no_error():
    job = cw.Job(inline=True)

    def work(_tick):
        raise Cancelled

    job.start(work)
    assert (job.status.state, job.status.error) == ("cancelled", "")


def test_an_interrupt_passes_through_and_leaves_the_job_idle_again():
    job = cw.Job(inline=True)

    def work(_tick):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.start(work)
    assert job.status.state == "cancelled"


def test_cancel_of_an_idle_job_does_nothing():
    job = cw.Job()
    job.cancel()
    assert job.status.state == "idle"


def test_progress_mirrors_the_job_and_passes_the_click_on():
    job = cw.Job()
    view = cw.Progress(job)
    begun = threading.Event()

    def work(tick):
        while True:
            tick(0.5, "turning")
            begun.set()
            threading.Event().wait(0.001)

    job.start(work, name="Screen")
    assert begun.wait(30)
    assert view._status["state"] == "running"
    assert view._status["name"] == "Screen"
    view.set_state({"_cancels": 1})
    assert job.wait(30)
    assert view._status["state"] == "cancelled"
    assert view.job is job


def test_a_closed_progress_follows_no_more():
    job = cw.Job(inline=True)
    view = cw.Progress(job)
    view.close()
    job.start(lambda tick: tick(1.0, "on"))
    assert view._status["state"] == "idle"
