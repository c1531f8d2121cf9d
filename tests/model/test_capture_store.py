"""Capturing into a store: whole or resumable, whatever interrupts it."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from capture_nets import Maps, Twice, hooks_left, made, partial, pictures, rows

from cutaway.core import Cancelled
from cutaway.model import Activations, BudgetExceeded, capture
from cutaway.model import store as stores

QUIET = {"show": None, "batch_size": 5}


def same(a, b):
    assert a.sites == b.sites
    assert list(a.rows) == list(b.rows)
    assert a.n_nonfinite == b.n_nonfinite
    assert a.origin.digest == b.origin.digest
    for site in a.sites:
        np.testing.assert_array_equal(a[site], b[site])


def stopping(at):
    """Tick that cancels at its call number `at`."""
    calls = []

    def tick(_fraction, _message):
        calls.append(1)
        if len(calls) == at:
            raise Cancelled

    return tick


def test_store_equals_memory(tmp_path):
    module, data = made(Maps), pictures()
    memory = capture(module, data, ["conv*", "fc"], **QUIET)
    disk = capture(module, data, ["conv*", "fc"], store=tmp_path / "a" / "acts", **QUIET)
    same(memory, disk)
    assert isinstance(disk["conv1"].base, np.memmap) or isinstance(disk["conv1"], np.memmap)
    same(memory, Activations.open(tmp_path / "a" / "acts", verify="full"))
    assert sorted(one.name for one in (tmp_path / "a").iterdir()) == ["acts"]
    assert sorted(one.name for one in (tmp_path / "a" / "acts").iterdir()) == [
        *("0000.npy", "0001.npy", "0002.npy"),
        *("manifest.json", "rows.npy"),
    ]


def test_same_capture_opens_the_store_instead(tmp_path):
    module, data = made(Maps), pictures()
    first = capture(module, data, "conv1", store=tmp_path / "acts", **QUIET)
    runs = []
    module.conv1.register_forward_hook(lambda *_: runs.append(1))
    again = capture(module, data, "conv1", store=tmp_path / "acts", **QUIET)
    same(first, again)
    assert len(runs) <= 2  # the look at sites and the first batch, not all ten


@pytest.mark.parametrize("change", ["site", "data", "weights", "dtype", "file"])
def test_another_capture_never_overwrites(tmp_path, change):
    module, data = made(Maps), pictures()
    capture(module, data, "conv1", store=tmp_path / "acts", **QUIET)
    where, options = "conv1", dict(QUIET)
    if change == "site":
        where = "conv2"
    elif change == "data":
        data = pictures(seed=1)  # same ids, same name
    elif change == "weights":
        module = made(Maps, seed=1)
    elif change == "dtype":
        options["dtype"] = "float16"
    else:
        (tmp_path / "acts" / "manifest.json").write_text("hello")
    with pytest.raises(FileExistsError, match="store must not exist yet or hold this very capture"):
        capture(module, data, where, store=tmp_path / "acts", **options)
    assert hooks_left(module) == 0


@pytest.mark.parametrize("at", [3, 7, 10])
def test_cancelled_store_goes_on(tmp_path, at):
    module, data = made(Maps), pictures()
    whole = capture(module, data, "conv*", **QUIET)
    with pytest.raises(Cancelled):
        capture(module, data, "conv*", store=tmp_path / "acts", tick=stopping(at), **QUIET)
    assert hooks_left(module) == 0
    assert not (tmp_path / "acts").exists()
    assert partial(tmp_path / "acts").is_dir()
    ticks = []
    acts = capture(
        module,
        data,
        "conv*",
        store=tmp_path / "acts",
        tick=lambda f, m: ticks.append(m),
        **QUIET,
    )
    same(whole, acts)
    assert ticks[1] == f"capture: {5 * (at - 1)}/50 samples"  # not from the start
    assert not partial(tmp_path / "acts").exists()
    Activations.open(tmp_path / "acts", verify="full")


def test_log_line_cut_by_a_kill_is_done_again(tmp_path):
    module, data = made(Maps), pictures()
    whole = capture(module, data, "conv*", **QUIET)
    with pytest.raises(Cancelled):
        capture(module, data, "conv*", store=tmp_path / "acts", tick=stopping(6), **QUIET)
    log = partial(tmp_path / "acts") / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-9])
    same(whole, capture(module, data, "conv*", store=tmp_path / "acts", **QUIET))


def test_values_lost_by_a_crash_are_done_again(tmp_path):
    module, data = made(Maps), pictures()
    whole = capture(module, data, "conv*", **QUIET)
    with pytest.raises(Cancelled):
        capture(module, data, "conv*", store=tmp_path / "acts", tick=stopping(8), **QUIET)
    array = np.load(partial(tmp_path / "acts") / "0001.npy", mmap_mode="r+")
    array[17] = 0  # as if the machine went down before the disk had it
    array.flush()
    del array
    ticks = []
    acts = capture(
        module, data, "conv*", store=tmp_path / "acts", tick=lambda f, m: ticks.append(m), **QUIET
    )
    same(whole, acts)
    assert ticks[1] == "capture: 15/50 samples"


def test_partial_of_another_capture_is_not_mixed_in(tmp_path):
    module = made(Maps)
    other = pictures(seed=1)  # same ids and name, so the same plan
    for data, dtype in ((other, "float32"), (pictures(), "float16")):
        with pytest.raises(Cancelled):
            capture(
                *(module, data, "conv*"),
                store=tmp_path / "acts",
                tick=stopping(6),
                dtype=dtype,
                **QUIET,
            )
        acts = capture(module, pictures(), "conv*", store=tmp_path / "acts", **QUIET)
        same(capture(module, pictures(), "conv*", **QUIET), acts)
        for one in (tmp_path / "acts").iterdir():
            one.unlink()
        (tmp_path / "acts").rmdir()


CHILD = """
    import sys
    sys.path.insert(0, {folder!r})
    from capture_nets import Maps, made, pictures
    from cutaway.model import capture
    def tick(fraction, message):
        print(message, flush=True)
        if {wait} and "25/50" in message:
            sys.stdin.read()
    capture(made(Maps), pictures(), "conv*", store={store!r}, batch_size=5, show=None, tick=tick)
"""


def child(store, *, wait):
    code = CHILD.format(folder=str(Path(__file__).parent), store=str(store), wait=wait)
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def test_killed_process_goes_on_bit_for_bit(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = child(killed, wait=True)
    for line in process.stdout:
        if "25/50" in line:
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not killed.exists()
    again = child(killed, wait=False)
    out, error = again.communicate(timeout=120)
    assert again.returncode == 0, error
    assert out.splitlines()[1] == "capture: 25/50 samples"
    straight = child(whole, wait=False)
    straight.communicate(timeout=120)
    same(Activations.open(whole, verify="full"), Activations.open(killed, verify="full"))
    for name in ("0000.npy", "0001.npy", "rows.npy"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()


def test_full_disk_midway_keeps_what_is_done(tmp_path, monkeypatch):
    module, data = made(Maps).train(), pictures()
    whole = capture(module, data, "conv*", **QUIET)

    class Full(stores.FileIO):
        left = 60_000

        def write(self, buffer):
            if str(self.name).endswith(".jsonl"):
                return super().write(buffer)
            size = min(len(buffer), Full.left)
            if size == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            Full.left -= size
            return super().write(memoryview(buffer)[:size])  # short writes happen at the end

    monkeypatch.setattr(stores, "FileIO", Full)
    with pytest.raises(OSError, match="store must lie on a disk with room") as caught:
        capture(module, data, "conv*", store=tmp_path / "acts", **QUIET)
    assert caught.value.errno == errno.ENOSPC
    message = str(caught.value)
    assert "writing failed after 20 of 50 samples (No space left on device)" in message
    assert f"it goes on from {partial(tmp_path / 'acts')}" in message
    assert "\n" not in message
    assert hooks_left(module) == 0
    assert all(one.training for one in module.modules())
    monkeypatch.undo()
    same(whole, capture(module, data, "conv*", store=tmp_path / "acts", **QUIET))


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="the system reserves no space")
def test_disk_too_small_is_seen_before_the_work(tmp_path):
    code = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from capture_nets import Maps, made, pictures, hooks_left
        from cutaway.model import capture
        module = made(Maps)
        try:
            capture(module, pictures(), "conv*", store={str(tmp_path / "acts")!r}, show=None)
        except OSError as error:
            print(hooks_left(module), error)
    """

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=limit,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.startswith("0 [Errno 27] store must lie on a disk with 124000 bytes free")
    assert "(nothing was kept)" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_free_space_is_asked_first(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage)
    with pytest.raises(BudgetExceeded, match=r"store must lie on a disk with room .* 1.0 kB free"):
        capture(made(Maps), pictures(), "conv*", store=tmp_path / "acts", **QUIET)
    assert list(tmp_path.iterdir()) == []


def test_max_bytes_bounds_the_disk_too(tmp_path):
    with pytest.raises(BudgetExceeded, match="max_bytes must hold the capture"):
        capture(made(Maps), pictures(), "conv*", store=tmp_path / "x", max_bytes=100, **QUIET)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no file locks")
def test_two_captures_into_one_store(tmp_path):
    module = made(Twice)

    def tick(_fraction, message):
        if "10/40" in message:
            capture(module, rows(), "a", store=tmp_path / "acts", **QUIET)

    with pytest.raises(BlockingIOError, match="store must be written by one capture at a time"):
        capture(module, rows(), "a", store=tmp_path / "acts", tick=tick, **QUIET)


def test_mask_is_stored(tmp_path):
    from cutaway.data import load_data
    from cutaway.model import load_model

    model, data = load_model("gpt-occupations"), load_data("occupations", limit=12)
    memory = capture(model, data, "transformer.h.1", **QUIET)
    disk = capture(model, data, "transformer.h.1", store=tmp_path / "acts", **QUIET)
    same(memory, disk)
    np.testing.assert_array_equal(memory.mask, disk.mask)


def test_nonfinite_counts_survive_a_resume(tmp_path):
    from torch import nn

    from cutaway.data import load_data

    x = np.ones((30, 4), np.float32)
    x[2, 1] = np.nan
    x[29] = np.inf
    net = nn.Sequential(nn.Identity())
    with pytest.raises(Cancelled):
        capture(net, load_data(x), "0", store=tmp_path / "acts", tick=stopping(4), **QUIET)
    acts = capture(net, load_data(x), "0", store=tmp_path / "acts", **QUIET)
    assert acts.n_nonfinite == {"0": 5}
    manifest = json.loads((tmp_path / "acts" / "manifest.json").read_text())
    assert manifest["schema"] == 1
