"""Check the browser code: types, unit tests, and that the bundle is what its sources give."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main(folder: Path) -> int:
    """Run the checks of package.json in `folder`; return the first exit status that is not 0."""
    if shutil.which("npm") is None:
        print(
            "make: no npm found, so the browser code is taken as committed; "
            "install Node.js 20 or newer to check it"
        )
        return 0
    environment = os.environ | {"npm_config_fund": "false", "npm_config_audit": "false"}
    stamp = folder / "node_modules" / ".package-lock.json"
    lock = folder / "package-lock.json"
    commands = [["npm", "run", "--silent", name] for name in ("types", "test", "check")]
    if not stamp.exists() or stamp.stat().st_mtime < lock.stat().st_mtime:
        commands.insert(0, ["npm", "ci", "--silent"])
    for command in commands:
        print(f"make: {' '.join(command)}", flush=True)
        done = subprocess.run(command, cwd=folder, env=environment, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
