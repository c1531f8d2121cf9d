"""Capturing into a store: whole or resumable, whatever interrupts it."""

import contextlib
import errno
import gc
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from capture_nets import Maps, Twice, hooks_left, made, partial, pictures, rows
from PIL import Image

import cutaway as ct
from cutaway.core import Cancelled, digest
from cutaway.data import load_data
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


def first_captured(messages):
    """Sample at which a capture began to compute, as its progress said."""
    found = (re.fullmatch(r"capture: (\d+)/\d+ samples", line) for line in messages)
    return int(next(filter(None, found)).group(1))


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
    runs = []
    module.conv1.register_forward_hook(lambda *_: runs.append(1))
    first = capture(module, data, "conv1", store=tmp_path / "acts", **QUIET)
    runs.clear()
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
    assert first_captured(ticks) == 5 * (at - 1)  # not from the start
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
    assert first_captured(ticks) == 15


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("data", "content in samples 0 … 4 of data"),
        ("late", "content in samples 20 … 24 of data"),
        ("weights", "weights"),
        ("structure", "structure of the model"),
        ("dtype", "dtype float32 instead of float16"),
        ("batch_size", "batch_size 5 instead of 10"),
        ("pool", "pool"),
        ("sites", "sites conv1, conv2 instead of conv1"),
        ("edits", "edits"),
        ("ids", "ids of the samples"),
        ("plan", "damaged plan.json"),
    ],
)
def test_partial_of_another_capture_is_refused_by_name(tmp_path, change, named):
    module, data = made(Maps), pictures()
    with pytest.raises(Cancelled):
        capture(module, data, "conv*", store=tmp_path / "acts", tick=stopping(7), **QUIET)
    before = {one.name: one.read_bytes() for one in partial(tmp_path / "acts").iterdir()}
    where, options, edits = "conv*", dict(QUIET), ()
    x = data.source.images
    if change == "data":
        data = pictures(seed=1)  # same ids, same name
    elif change == "late":
        data = load_data(
            np.where(np.arange(len(x))[:, None, None, None] == 22, 0, x), name="pictures"
        )
    elif change == "ids":
        data = load_data(x, ids=np.arange(len(x)) + 1, name="pictures")
    elif change == "weights":
        module = made(Maps, seed=1)
    elif change == "structure":
        module.relu1 = torch.nn.GELU()  # no weights, other values
    elif change == "sites":
        where = "conv1"
    elif change == "edits":
        edits = [ct.Zero("conv1", [0])]
    elif change == "plan":
        (partial(tmp_path / "acts") / "plan.json").write_text("{")
    else:
        options[change] = {"dtype": "float16", "batch_size": 10, "pool": 2}[change]
    with pytest.raises(FileExistsError) as caught, ct.edited(module, edits):
        capture(module, data, where, store=tmp_path / "acts", **options)
    message = str(caught.value)
    assert named in message
    assert str(partial(tmp_path / "acts")) in message
    assert "\n" not in message
    assert hooks_left(module) == 0
    after = {one.name: one.read_bytes() for one in partial(tmp_path / "acts").iterdir()}
    if change != "plan":
        assert after == before  # nothing of the work is lost


@pytest.mark.parametrize("at", [0, 7, 22, 49])
def test_a_finished_store_knows_each_sample(tmp_path, at):
    """Row A1: other content of the same shape, ids and name, wherever it is."""
    module, data = made(Maps), pictures()
    capture(module, data, "conv1", store=tmp_path / "acts", **QUIET)
    x = data.source.images.copy()
    x[at] = 0
    with pytest.raises(FileExistsError, match="other content in data"):
        capture(module, load_data(x, name="pictures"), "conv1", store=tmp_path / "acts", **QUIET)
    same(
        capture(module, data, "conv1", **QUIET),
        capture(module, data, "conv1", store=tmp_path / "acts", **QUIET),
    )


def test_arrays_changed_in_place_are_other_data(tmp_path):
    x = np.random.default_rng(0).random((20, 1, 12, 12), np.float32)
    module, data = made(Maps), load_data(x)
    first = capture(module, data, "conv1", store=tmp_path / "acts", **QUIET)
    x[13] += 1
    with pytest.raises(FileExistsError, match="other content"):
        capture(module, data, "conv1", store=tmp_path / "acts", **QUIET)
    assert capture(module, data, "conv1", **QUIET).origin.content != first.origin.content


def test_pictures_replaced_under_their_names(tmp_path):
    """Rows A2 and A3: files of a folder, before a reuse and before a resume."""
    rng = np.random.default_rng(0)

    def draw(number):
        pixels = rng.integers(0, 255, (12, 12), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")

    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(20):
        draw(number)
    module = made(Maps)
    capture(module, load_data(folder), "conv1", store=tmp_path / "whole", **QUIET)
    with pytest.raises(Cancelled):
        capture(
            *(module, load_data(folder), "conv1"),
            store=tmp_path / "half", tick=stopping(4), **QUIET,
        )  # fmt: skip
    draw(11)
    for name in ("whole", "half"):
        with pytest.raises(FileExistsError, match="other content"):
            capture(module, load_data(folder), "conv1", store=tmp_path / name, **QUIET)
    shutil.rmtree(partial(tmp_path / "half"))
    acts = capture(module, load_data(folder), "conv1", store=tmp_path / "half", **QUIET)
    same(capture(module, load_data(folder), "conv1", **QUIET), acts)


@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_flipped_bit_of_a_finished_store_is_seen_at_reuse(tmp_path, place):
    """Row A4."""
    module, data = made(Maps), pictures()
    capture(module, data, "conv1", store=tmp_path / "acts", **QUIET)
    file = tmp_path / "acts" / "0000.npy"
    content = bytearray(file.read_bytes())
    where = len(content) - 1 if place == -1 else 128 + int(place * (len(content) - 128))
    content[where] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"samples \d+\.\.\d+ of site conv1 differ"):
        capture(module, data, "conv1", store=tmp_path / "acts", **QUIET)


def clamping(most):
    return lambda _module, _inputs, output: output.clamp(max=most)


class Bounded(torch.nn.Module):
    """A network whose bound is a plain attribute."""

    def __init__(self, most):
        super().__init__()
        self.body, self.most = made(Maps), most

    def forward(self, x):
        return self.body(x.clamp(max=self.most))


@pytest.mark.parametrize("what", ["hook", "bound of the hook", "attribute", "forward", "pre-hook"])
@pytest.mark.parametrize("begun", [False, True])
def test_what_shows_after_the_first_batch_only_is_another_model(tmp_path, what, begun):
    """Kin of row A1: the model, not the data, is another one where nobody looked."""
    x = np.random.default_rng(0).standard_normal((40, 1, 12, 12)).astype(np.float32)
    x[20:] += 30
    data, site = load_data(x), "conv1"
    before, after = made(Maps), made(Maps)
    if what == "hook":
        after.conv1.register_forward_hook(clamping(8))
    elif what == "bound of the hook":
        before.conv1.register_forward_hook(clamping(100.0))
        after.conv1.register_forward_hook(clamping(8.0))
    elif what == "attribute":
        before, after, site = Bounded(1000.0), Bounded(5.0), "body.conv1"
    elif what == "forward":
        old = after.conv1.forward
        after.conv1.forward = lambda value: old(value.clamp(max=5))
    else:
        after.conv1.register_forward_pre_hook(lambda _module, inputs: (inputs[0].clamp(max=5),))
    stop = {"tick": stopping(7)} if begun else {}
    with contextlib.suppress(Cancelled):
        capture(before, data, site, store=tmp_path / "acts", **QUIET, **stop)
    with pytest.raises(FileExistsError, match="structure of the model"):
        capture(after, data, site, store=tmp_path / "acts", **QUIET)


@pytest.mark.parametrize(("scale", "dtype"), [(1e-5, "float32"), (1e5, "float32"), (1, "float16")])
def test_values_are_compared_in_their_own_scale(tmp_path, scale, dtype):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = torch.nn.Conv2d(1, 3, 3)
            self.table = {"factor": scale}  # no plain attribute: nothing tells it but the values

        def forward(self, x):
            return self.conv1(x * self.table["factor"])

    torch.manual_seed(0)
    net, options = Scaled(), QUIET | {"dtype": dtype}
    torch.nn.init.zeros_(net.conv1.bias)
    capture(net, pictures(), "conv1", store=tmp_path / "acts", **options)
    capture(net, pictures(), "conv1", store=tmp_path / "acts", **options)
    net.table["factor"] *= 1.01
    with pytest.raises(FileExistsError, match="other values"):
        capture(net, pictures(), "conv1", store=tmp_path / "acts", **options)


def test_reuse_states_its_cost_and_its_progress(tmp_path):
    module, data = made(Maps), pictures()
    capture(module, data, "conv1", store=tmp_path / "acts", **QUIET)
    said, seen = [], []
    capture(
        *(module, data, "conv1"),
        store=tmp_path / "acts", batch_size=5, show=said.append,
        tick=lambda fraction, _message: seen.append(fraction),
    )  # fmt: skip
    assert "verifying" in said[0]
    assert "kB" in said[0]
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert len(seen) > 3


def test_an_edited_model_has_a_store_of_its_own(tmp_path):
    module, data = made(Maps), pictures()
    plain = capture(module, data, "conv2", **QUIET)
    with ct.edited(module, ct.Zero("conv1", [1]), data=data):
        edited = capture(module, data, "conv2", store=tmp_path / "acts", **QUIET)
    assert edited.digest != plain.digest
    with pytest.raises(FileExistsError, match="edits"):
        capture(module, data, "conv2", store=tmp_path / "acts", **QUIET)


@pytest.mark.parametrize("name", ["../0000.npy", "/etc/hostname", "a/0000.npy", "", ".", 7])
def test_a_manifest_names_files_of_its_own_folder_only(tmp_path, name):
    """Row B5."""
    capture(made(Maps), pictures(), "conv1", store=tmp_path / "acts", **QUIET)
    shutil.copy(tmp_path / "acts" / "0000.npy", tmp_path / "0000.npy")
    for part in ("arrays", "rows"):
        manifest = json.loads((tmp_path / "acts" / "manifest.json").read_text())
        entry = manifest["arrays"][0] if part == "arrays" else manifest["rows"]
        entry["file"] = name
        del manifest["digest"]
        manifest["digest"] = digest.of_json(manifest)
        copy = tmp_path / f"copy-{part}"
        shutil.copytree(tmp_path / "acts", copy)
        (copy / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ValueError, match="path must be a whole store of activations"):
            Activations.open(copy)


def test_a_link_out_of_the_store_is_refused(tmp_path):
    capture(made(Maps), pictures(), "conv1", store=tmp_path / "acts", **QUIET)
    file = tmp_path / "acts" / "0000.npy"
    file.rename(tmp_path / "elsewhere.npy")
    file.symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(ValueError, match="link"):
        Activations.open(tmp_path / "acts")


@pytest.mark.parametrize("file", ["manifest.json", "0000.npy", "rows.npy"])
def test_pipes_and_folders_in_a_store_are_not_opened(tmp_path, file):
    capture(made(Maps), pictures(), "conv1", store=tmp_path / "acts", **QUIET)
    (tmp_path / "acts" / file).unlink()
    os.mkfifo(tmp_path / "acts" / file)
    with pytest.raises(ValueError, match=r"pipe|no file") as caught:
        Activations.open(tmp_path / "acts")
    assert file in str(caught.value)


SHRINKS = """
    import os, sys
    import numpy as np
    from cutaway.model import Activations
    acts = Activations.open({store!r})
    array = acts["conv1"]
    view = array[3:].reshape(47, -1)
    fourth = view.T
    os.truncate(os.path.join({store!r}, "0000.npy"), 200)
    tries = [
        lambda: acts["conv1"], lambda: array[20], lambda: array.sum(), lambda: view.mean(0),
        lambda: np.asarray(view) and 0, lambda: view + 1, lambda: np.sort(fourth),
        lambda: array.copy(), lambda: view.tolist(), lambda: array.astype("f8"), lambda: 2 * view,
        lambda: acts.to_frame("conv1"), lambda: acts.units("conv1"), lambda: acts.take([1]),
        lambda: np.concatenate([view, view]), lambda: repr(array), lambda: [row for row in view],
        lambda: np.add(view, 1, out=np.empty(view.shape, "f4")), lambda: view @ fourth,
    ]
    for number, work in enumerate(tries):
        if number == 4:
            continue  # a plain view has no guard; see StoredArray
        try:
            work()
        except OSError as error:
            assert "0000.npy" in str(error) and "200 bytes" in str(error), error
        else:
            print("no error from", number)
    print("alive")
"""


def test_a_store_that_shrinks_while_it_is_open_raises(tmp_path):
    """Row B11: an error, not a signal."""
    capture(made(Maps), pictures(), "conv1", store=tmp_path / "acts", **QUIET)
    code = textwrap.dedent(SHRINKS.format(store=str(tmp_path / "acts")))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr


def test_values_of_a_store_compute_like_plain_arrays(tmp_path):
    acts = capture(made(Maps), pictures(), "conv1", store=tmp_path / "acts", **QUIET)
    mapped, plain = acts["conv1"], np.array(acts["conv1"])
    assert type(mapped + 1) is np.ndarray
    np.testing.assert_array_equal(mapped * 2, plain * 2)
    np.testing.assert_array_equal(mapped.mean((0, 2)), plain.mean((0, 2)))
    np.testing.assert_array_equal(np.sort(mapped, axis=None), np.sort(plain, axis=None))
    np.testing.assert_array_equal(np.einsum("nchw->c", mapped), np.einsum("nchw->c", plain))
    assert np.shares_memory(mapped[2:, 1], mapped)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1
    folder = Path("/proc/self/fd")
    if folder.is_dir():  # one descriptor of each file, closed with the last view
        before = len(list(folder.iterdir()))
        view = mapped[1:]
        del acts, mapped
        gc.collect()
        assert len(list(folder.iterdir())) == before
        del view
        gc.collect()
        assert len(list(folder.iterdir())) == before - 2  # numpy's map holds one, too


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
    assert first_captured(out.splitlines()) == 25
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
    assert manifest["schema"] == 2
