"""`python -m cutaway_samples.pretrained install NAME`: install what a pretrained model needs.

Runs pip, with `--no-deps` for packages whose dependencies are not needed, and with the project's
constraints if this is a checkout. `convert NAME` fills the cache folder.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence

from cutaway_samples.entries import pretrained_names
from cutaway_samples.pretrained.sources import install_commands


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; 0 if it went well, pip's or 1 otherwise."""
    parser = argparse.ArgumentParser(
        prog="python -m cutaway_samples.pretrained", description=__doc__
    )
    parser.add_argument("action", choices=("install", "convert"))
    parser.add_argument("name", choices=pretrained_names())
    parser.add_argument("--dry-run", action="store_true", help="show the pip commands only")
    asked = parser.parse_args(arguments)
    if asked.action == "install":
        for command in install_commands(asked.name):
            print(" ".join(command), flush=True)
            if not asked.dry_run:
                status = subprocess.run(command, check=False).returncode
                if status != 0:
                    return status
        return 0
    from cutaway_samples.pretrained.cached import convert

    try:
        print(convert(asked.name))
    except (ImportError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
