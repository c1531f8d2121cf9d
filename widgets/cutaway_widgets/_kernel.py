"""The kernel of a team's page: bounded in memory, and without the secret of its server.

``python -m cutaway_widgets._kernel -f CONNECTION_FILE``; the kernel specification of
`cutaway serve --team` starts it.
"""

import os
import sys

MEMORY = "CUTAWAY_KERNEL_MEMORY"  # bytes; the same name is in cutaway.team
_TOKEN = "JUPYTER_TOKEN"  # noqa: S105 - the name of a variable


def forget_token() -> None:
    """Drop the server's token from the environment, wherever a request left it."""
    token = os.environ.pop(_TOKEN, "")
    for name, value in list(os.environ.items()):
        if token and token in value:
            os.environ[name] = value.replace(token, "")


def limit_memory() -> None:
    """Make an allocation beyond the stated bytes fail with `MemoryError`, in this process only.

    Notes
    -----
    ``RLIMIT_DATA`` counts private writable memory (Linux 4.7 and later): what programs allocate.
    Mapped files, such as weights and stores of activations, do not count.
    """
    stated = os.environ.get(MEMORY)
    if not stated:
        return
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (int(stated), int(stated)))


def main() -> None:
    """Start the kernel."""
    forget_token()
    limit_memory()
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance(sys.argv[1:])


if __name__ == "__main__":
    main()
