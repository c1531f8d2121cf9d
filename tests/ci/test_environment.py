import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("environment", ROOT / ".ci" / "environment.py")
environment = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(environment)


@pytest.mark.parametrize("version", [(3, 9, 1), (3, 10, 0), (3, 14, 0), (2, 7, 18)])
def test_wrong_python_is_one_line(version):
    with pytest.raises(SystemExit, match=r"make: Python must be 3.11 to 3.13, got \d+\.\d+ .*make"):
        environment.check_python(version)


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 4), (3, 13, 9)])
def test_right_python_passes(version):
    environment.check_python(version)


def test_no_disk_is_one_line(tmp_path):
    full = lambda _folder: SimpleNamespace(free=2.5e8)  # noqa: E731
    with pytest.raises(
        SystemExit, match=r"make: free disk must be at least 4.5 GB in .* got 0.2 GB"
    ):
        environment.check_disk(str(tmp_path), "dev", full)


def test_unknown_extras_is_one_line(tmp_path):
    with pytest.raises(SystemExit, match="extras must be one of all, dev, got x"):
        environment.main(["x", str(tmp_path)])


def test_an_old_interpreter_reaches_the_message():
    old = next((name for name in ("python3.8", "python3.9", "python3.10") if runs(name)), None)
    if old is None:
        pytest.skip("no Python older than 3.11 on this machine")
    done = subprocess.run(
        [old, ROOT / ".ci" / "environment.py", "all", "x"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("make: Python must be 3.11 to 3.13, got 3.")
    assert done.stderr.count("\n") == 1


def runs(name):
    try:
        return subprocess.run([name, "-c", "0"], capture_output=True).returncode == 0
    except OSError:
        return False


def test_a_made_environment_is_recognised_and_made_again_when_a_file_changes(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(environment, "cuda_requirements", lambda *_: [])
    monkeypatch.setattr(
        environment.subprocess, "call", lambda command, env=None: calls.append((command, env)) or 0
    )
    monkeypatch.setattr(environment.subprocess, "check_call", lambda command: None)
    monkeypatch.setattr(
        environment.subprocess, "run", lambda *_args, **_kw: SimpleNamespace(returncode=0)
    )
    folder = tmp_path / "env"
    folder.mkdir()
    environment.install(str(folder), "dev")
    assert environment.is_current(str(folder), "dev")
    assert environment.is_current(str(folder), "all")
    (command, _), (ahead, _) = calls
    assert ahead[-2].endswith("compile.py")
    assert ahead[-1] == "dev"
    assert command[command.index("-c") + 1].endswith("constraints.txt")
    monkeypatch.setattr(environment, "wanted", lambda _extras: "other")
    assert not environment.is_current(str(folder), "dev")


def test_a_cuda_build_is_refused_before_anything_is_downloaded(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "cuda_requirements", lambda *_: ["nvidia-cublas", "nvidia-x"])
    monkeypatch.setattr(environment.subprocess, "check_call", lambda command: None)
    monkeypatch.setattr(
        environment.subprocess, "run", lambda *_args, **_kw: SimpleNamespace(returncode=1)
    )
    monkeypatch.delenv("ALLOW_CUDA", raising=False)
    with pytest.raises(
        SystemExit, match="torch must come as the CPU build, got one that needs nvi"
    ):
        environment.install(str(tmp_path), "all")


def test_cuda_packages_are_read_from_a_report(monkeypatch):
    report = (
        '{"install": [{"metadata": {"requires_dist": ["numpy", "nvidia-cublas; '
        "platform_system == 'Linux'\", \"cuda-bindings; sys_platform == 'win32'\"]}}]}"
    )
    real = subprocess.run

    def run(command, **options):
        if "--report" in command:
            return SimpleNamespace(returncode=0, stdout=report.encode())
        return real(command, **options)

    monkeypatch.setattr(environment.subprocess, "run", run)
    expected = ["nvidia-cublas"] if sys.platform == "linux" else []
    assert environment.cuda_requirements(sys.executable, {}) == expected


def test_make_help_lists_the_targets():
    done = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True)
    for target in ("run", "lab", "test", "bench"):
        assert f"\n{target} " in done.stdout
