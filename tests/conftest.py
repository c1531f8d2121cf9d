"""What all tests need of the process that runs them."""

import signal


def pytest_configure():
    """Let servers under test hear Ctrl-C.

    A shell starts its background jobs with SIGINT ignored, and every process below inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
