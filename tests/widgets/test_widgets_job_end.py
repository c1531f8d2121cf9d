import subprocess
import sys

CODE = """
import atexit, time
jobs = []
# Registered first, so it runs last: after the job's own handler.
atexit.register(lambda: print(jobs[0].status.state))
import cutaway_widgets as cw
def work(tick):
    while True:
        tick(0.5, "working")
        time.sleep(0.01)
jobs.append(cw.Job())
jobs[0].start(work)
"""


def test_a_job_that_still_runs_is_cancelled_at_the_end_of_the_process():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "cancelled"
