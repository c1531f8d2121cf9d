"""Find a Chromium for the browser tests; install Debian's where we are root; else say so."""

import os
import shutil
import subprocess

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find() -> str | None:
    """Path of a Chromium: the one named by CUTAWAY_CHROMIUM, else the first on PATH."""
    named = os.environ.get("CUTAWAY_CHROMIUM")
    return named or next((path for path in map(shutil.which, NAMES) if path), None)


def main() -> None:
    """Print which browser the tests will use, after trying to have one."""
    path = find()
    if path is None and os.geteuid() == 0 and shutil.which("apt-get"):
        print("make: installing Debian's chromium", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        # Chromium brings no fonts of its own, and text without one has no width.
        wanted = ["chromium", "fonts-dejavu-core", "fonts-liberation"]
        for command in (["update"], ["install", "-y", "--no-install-recommends", *wanted]):
            done = subprocess.run(
                ["apt-get", "-qq", *command],
                env=environment,
                stdout=subprocess.DEVNULL,
                check=False,
            )
            if done.returncode:
                break
        path = find()
    if path:
        print(f"make: browser tests use {path}")
    else:
        print(
            "make: no Chromium found, so browser tests will be skipped; "
            "install Chromium or set CUTAWAY_CHROMIUM to its path"
        )


if __name__ == "__main__":
    main()
