"""What all tests need of the process that runs them."""

import os
import signal

import pytest

# Workers share the cores: more threads in each only get in each other's way. Read when numpy and
# torch are imported, and by every kernel that a test starts.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SECONDS_OF_SLOW_TESTS = 600


def pytest_addoption(parser):
    """Add --screenshots."""
    parser.addoption(
        "--screenshots",
        action="store_true",
        help="keep pictures of the pages in tests/artifacts, for people to look at",
    )


def pytest_configure(config):
    """Let servers under test hear Ctrl-C, and workers know of --screenshots.

    A shell starts its background jobs with SIGINT ignored, and every process below inherits that.
    A run that is ended by SIGTERM ends its servers first, as after Ctrl-C.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        import hypothesis
    except ModuleNotFoundError:
        pass
    else:  # the same examples in each run, however long one takes beside other work
        hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None)
        hypothesis.settings.load_profile("seeded")
    if config.getoption("screenshots"):
        os.environ["CUTAWAY_SCREENSHOTS"] = "1"
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Give the tests of the slow tier more time than the others, who have `timeout` of pyproject.

    Nothing that runs for longer than a few seconds waits on the clock: the limit ends what hangs.
    """
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SECONDS_OF_SLOW_TESTS))
