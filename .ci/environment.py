"""Make or refresh the virtual environment: one venv, one pip call, nothing when nothing changed.

Runs with the bare Python of the machine (any version, so that a wrong one gets a clear line), needs
nothing installed, and is safe to run again: a stamp in the environment remembers what made it.
"""

from __future__ import print_function  # an old interpreter must reach the version check

import hashlib
import json
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OLDEST, NEWEST = (3, 11), (3, 13)
DISK_GB = {"all": 4.0, "dev": 4.5}


def stop(line):
    """End with one line that says what is wrong and what helps."""
    sys.exit("make: " + line)


def check_python(version=sys.version_info):
    """Refuse an interpreter that the project does not run on."""
    if not OLDEST <= tuple(version[:2]) <= NEWEST:
        stop(
            "Python must be 3.11 to 3.13, got %d.%d (%s); install one and run "
            "`make PYTHON=python3.11 ...`" % (version[0], version[1], sys.executable)
        )


def check_disk(folder, extras, usage=None):
    """Refuse to start what cannot be finished."""
    free = (usage or shutil.disk_usage)(folder).free / 1e9
    if free < DISK_GB[extras]:
        stop(
            "free disk must be at least %.1f GB in %s, got %.1f GB; free some, or set VENV to a "
            "folder on another disk" % (DISK_GB[extras], folder, free)
        )


def wanted(extras):
    """Digest of what the environment is made from."""
    state = hashlib.sha256(extras.encode())
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            state.update(file.read())
    state.update(ROOT.encode())
    return state.hexdigest()


def is_current(venv, extras):
    """Whether the environment was made from just these files, with these extras or more."""
    try:
        with open(os.path.join(venv, "cutaway-stamp.json")) as file:
            stamp = json.load(file)
    except (IOError, ValueError):
        return False
    made = stamp.get("extras")
    return stamp.get("digest") == wanted(made or "") and made in (extras, "dev")


def cuda_requirements(python, pip_environment):
    """Names of the CUDA packages that this index's torch would bring, without downloading it."""
    command = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--report", "-",
               "-c", os.path.join(ROOT, "constraints.txt"), "torch"]  # fmt: skip
    done = subprocess.run(command, stdout=subprocess.PIPE, env=pip_environment)
    if done.returncode:
        stop("torch could not be found by pip (see above); check the network, then run make again")
    report = done.stdout.decode()
    reader = (
        "import json,sys;from pip._vendor.packaging.requirements import Requirement as R\n"
        "for i in json.loads(sys.stdin.read())['install']:\n"
        "  for r in map(R, i['metadata'].get('requires_dist', [])):\n"
        "    wanted = not r.marker or r.marker.evaluate({'extra': ''})\n"
        "    if wanted and r.name.startswith(('nvidia', 'cuda')): print(r.name)"
    )
    found = subprocess.run([python, "-c", reader], input=report.encode(), stdout=subprocess.PIPE)
    return found.stdout.decode().split()


def install(venv, extras):
    """Make the environment and install the project with its extras, editable."""
    python = os.path.join(venv, "bin", "python")
    if not os.path.exists(python):
        print("make: new environment in %s" % venv)
        subprocess.check_call([sys.executable, "-m", "venv", venv])
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1")
    has_torch = subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL)
    if has_torch.returncode and os.environ.get("ALLOW_CUDA") != "1":
        cuda = cuda_requirements(python, environment)
        if cuda:
            stop(
                "torch must come as the CPU build, got one that needs %s and %d more; set "
                "PIP_EXTRA_INDEX_URL to PyTorch's CPU index, or use another Python, or set "
                "ALLOW_CUDA=1 to accept several GB" % (cuda[0], len(cuda) - 1)
            )
    print("make: installing cutaway[%s] (about two minutes the first time)" % extras)
    constraints = os.path.join(ROOT, "constraints.txt")
    what = "%s[%s]" % (ROOT, extras)
    command = [python, "-m", "pip", "install", "--quiet", "-c", constraints, "-e", what]
    if subprocess.call(command, env=environment):
        stop(
            "pip could not install cutaway[%s] (see above); mend that, then run make again" % extras
        )
    # Else the first screen of a new environment, or the first test, would wait for it.
    print("make: compiling the mixture engine (about a minute, once)")
    subprocess.call([python, os.path.join(ROOT, ".ci", "compile.py"), extras])
    stamp = os.path.join(venv, "cutaway-stamp.json")
    with open(stamp + ".tmp", "w") as file:
        json.dump({"extras": extras, "digest": wanted(extras)}, file)
    os.replace(stamp + ".tmp", stamp)


def main(arguments):
    """Bring the environment to what `extras` asks for."""
    check_python()
    extras, venv = arguments[0], os.path.abspath(arguments[1])
    if extras not in DISK_GB:
        stop("extras must be one of %s, got %s" % (", ".join(sorted(DISK_GB)), extras))
    if is_current(venv, extras):
        print("make: environment %s is up to date" % os.path.basename(venv))
        return
    check_disk(os.path.dirname(venv), extras)
    install(venv, extras)


if __name__ == "__main__":
    main(sys.argv[1:])
