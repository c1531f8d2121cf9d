"""Files are opened and finished in one place: sizes first, whole or absent, one line when not."""

import errno
import io
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cutaway.core import Index, Origin
from cutaway.core._io import (
    DamagedFile,
    inside,
    open_regular,
    parse_array,
    parse_json,
    read_archive,
    read_json,
    whole_file,
    whole_folder,
)
from cutaway.model import Predictions

posix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes, locks and limits here")
MB = 2**20


def predictions(n=5):
    return Predictions(
        Index.count(n), Origin("predict"), np.zeros(n, np.int64), np.ones(n), None, None
    )


def line(call, *parts, kind=ValueError):
    """What a call is refused with; one line that holds some words."""
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message
    return message


# --- opening -------------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "loop", "null", "long", "closed"])
def test_only_regular_files_are_opened(tmp_path, kind):
    path = tmp_path / "x.json"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "null":
        path = tmp_path / "x\0.json"
    elif kind == "long":
        path = tmp_path / ("x" * 300)
    else:
        path.write_text("{}")
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("permissions do not hold for this user")
    for opening in (open_regular, lambda one: read_json(one, what="x"), Predictions.load):
        line(lambda opening=opening: opening(path), "path must be", kind=(ValueError, OSError))


@posix
@pytest.mark.parametrize("name", ["workspace.json", "result-0.zip"])
def test_a_pipe_in_a_session_is_not_waited_for(tmp_path, name):
    import cutaway as ct

    space = ct.Workspace()
    space.results["a"] = predictions()
    space.save(tmp_path / "s")
    (tmp_path / "s" / name).unlink()
    os.mkfifo(tmp_path / "s" / name)
    line(lambda: ct.open_workspace(tmp_path / "s"), tmp_path / "s")


@pytest.mark.parametrize(
    "name", ["../a", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "a\0", None, 3, ["a"]]
)
def test_names_of_a_manifest_lie_in_its_folder(tmp_path, name):
    line(lambda: inside(tmp_path, name), "folder itself")


def test_links_that_lead_out_of_a_folder_are_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").symlink_to(tmp_path / "b")
    (tmp_path / "in" / "c").symlink_to(tmp_path / "in" / "d")
    (tmp_path / "in" / "e").symlink_to(tmp_path / "in" / "e")
    for name in ("a", "e"):
        line(lambda name=name: inside(tmp_path / "in", name), name)
    assert inside(tmp_path / "in", "c").name == "c"


@pytest.mark.parametrize(
    "content",
    [b"", b"[1]", b"3", b"{", b"\xff{}", b'{"a":"\\ud800"}',
     b'{"a":' + b"[" * 70 + b"]" * 70 + b"}", b"[" * 100_000, b'{"a":1' + b"0" * 5000 + b"}"],
)  # fmt: skip
def test_what_is_no_json_object_of_a_manifest(content):
    line(lambda: parse_json(content, what="a thing", path="f.json"), "f.json", "a thing")


def npy(shape, descr="<f8", payload=b""):
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + payload


@pytest.mark.parametrize(
    "content",
    [npy((1,), "<U1", b"\0\xd8\0\0"),
     npy((10**12,)), npy((-1,)), npy((2**62, 2**62)), npy((0, 10**30)), npy((True,)),
     npy((1,), "|O", b"x" * 8), npy((1,), "<U1", b"\xff\xff\xff\x7f"), npy((2,), "|b1", b"\0\x02"),
     npy((1,) * 70, payload=b"x" * 8), npy((1,), "<f8", b"x" * 7), npy((1,), "<f8", b"x" * 9),
     npy("a"), npy((1.5,)), npy((1,), "f8,f8", b"x" * 16), b"", b"\x93NUMPY\x09\x00",
     npy((1,), "<f8' + '", b"x" * 8), b"\x93NUMPY\x01\x00\x10\x00{'descr': (", b"\x93NUMPY\x03"],
)  # fmt: skip
def test_arrays_that_are_none(content):
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        parse_array(content, max_bytes=10**9)


def test_arrays_of_another_byte_order_become_native():
    file = io.BytesIO()
    np.lib.format.write_array(file, np.arange(6, dtype=">i4").reshape(2, 3))
    found = parse_array(file.getvalue(), max_bytes=100)
    assert found.dtype == np.int32
    assert found.dtype.isnative
    assert found.tolist() == [[0, 1, 2], [3, 4, 5]]


# --- archives that declare more than they hold ---------------------------------------------------


def bomb(path, size):
    """A saved result whose rows take `size` bytes, almost all zero, and next to nothing on disk."""
    header = npy((size // 8,))
    predictions().save(path)
    with zipfile.ZipFile(path) as archive:
        kept = [(one.filename, archive.read(one)) for one in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, payload in kept:
            if name != "probability.npy":
                archive.writestr(name, payload)
        with archive.open("probability.npy", "w", force_zip64=True) as file:
            file.write(header)
            for _ in range(size // MB):
                file.write(bytes(MB))
    return path


def memory_of(code):
    """MiB that a process took at most above what it has with Cutaway loaded, and its output."""
    peak = "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
    script = f"import resource, cutaway.model as m\nbase = {peak}\n{code}\n"
    script += f"print(({peak} - base) // 1024)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *said, taken = done.stdout.splitlines()
    return int(taken), "\n".join(said)


def test_a_small_archive_that_declares_much_takes_no_memory(tmp_path):
    path = bomb(tmp_path / "bomb.zip", 300 * MB)
    assert path.stat().st_size < MB
    code = f"try: m.Predictions.load({str(path)!r})\nexcept ValueError as e: print(e)"
    taken, said = memory_of(code)
    assert "bomb.zip" in said
    assert "bytes declared" in said
    assert taken < 100


def test_the_limit_of_an_archive_is_an_argument(tmp_path):
    path = bomb(tmp_path / "zeros.zip", 80 * MB)
    line(lambda: Predictions.load(path), "max_bytes")
    with pytest.raises(ValueError, match="entries instead of 5"):
        Predictions.load(path, max_bytes=100 * MB)
    predictions(100_000).save(tmp_path / "large.zip")
    assert len(Predictions.load(tmp_path / "large.zip").rows) == 100_000
    line(lambda: Predictions.load(tmp_path / "large.zip", max_bytes=MB), "max_bytes")


def test_members_that_are_not_expected(tmp_path):
    def made(*members):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_STORED) as archive:
            for name, how in members:
                archive.writestr(name, b"x", how)

    def read():
        return read_archive(tmp_path / "a.zip", what="a thing", allowed={"a", "b"}.__contains__)

    made(("a", zipfile.ZIP_STORED), ("b", zipfile.ZIP_DEFLATED))
    assert read() == {"a": b"x", "b": b"x"}
    made(("a", zipfile.ZIP_STORED), ("../c", zipfile.ZIP_STORED))
    line(read, "../c", "a.zip")
    made(("a", zipfile.ZIP_LZMA))
    line(read, "compressed")
    with pytest.warns(UserWarning, match="Duplicate"):
        made(("a", zipfile.ZIP_STORED), ("a", zipfile.ZIP_STORED))
    line(read, "twice")


# --- finishing -----------------------------------------------------------------------------------


def test_leftovers_of_dead_saves_go_and_those_of_living_ones_stay(tmp_path):
    (tmp_path / ".a.0123abcd.cutaway-tmp").write_text("dead")
    (tmp_path / ".other.0123abcd.cutaway-tmp").mkdir()
    (tmp_path / ".other.0123abcd.cutaway-tmp" / "x").write_text("dead")
    (tmp_path / ".mine.tmp").write_text("not ours")
    with whole_file(tmp_path / "a") as first:
        first.write_text("first")
        with whole_file(tmp_path / "a") as second:
            second.write_text("second")
            now = {one.name for one in tmp_path.iterdir()}
            assert now == {".mine.tmp", first.name, second.name}
        assert (tmp_path / "a").read_text() == "second"
    assert (tmp_path / "a").read_text() == "first"
    assert {one.name for one in tmp_path.iterdir()} == {".mine.tmp", "a"}


def test_the_second_of_two_savers_of_a_folder_is_told(tmp_path):
    with whole_folder(tmp_path / "s"):
        with whole_folder(tmp_path / "other"):
            pass
        with pytest.raises(BlockingIOError) as caught, whole_folder(tmp_path / "s"):
            pass
        assert str(tmp_path / "s") in caught.value.strerror
    with pytest.raises(FileExistsError), whole_folder(tmp_path / "s"):
        pass
    assert sorted(one.name for one in tmp_path.iterdir()) == ["other", "s"]


def test_names_of_any_length_are_saved(tmp_path):
    for name in ("x" * 255, "é" * 127, ".a"):
        with whole_file(tmp_path / name) as temporary:
            temporary.write_text("x")
        assert (tmp_path / name).read_text() == "x"


SAVER = """
import sys, numpy as np, cutaway as ct
from cutaway.core import Index, Origin
from cutaway.model import Predictions
n = 200_000
one = Predictions(Index.count(n), Origin("predict"), np.zeros(n, np.int64), np.ones(n), None, None)
space = ct.Workspace()
space.results["a"] = space.results["b"] = one
print("ready", flush=True)
while True:
    for place in range(50):
        one.save(f"{sys.argv[1]}/one.zip")
        space.save(f"{sys.argv[1]}/session-{sys.argv[2]}-{place}")
"""


@posix
def test_killed_savers_leave_whole_files_and_their_rest_goes(tmp_path):
    import random

    import cutaway as ct

    rng = random.Random(1)
    for turn in range(2):
        killed = subprocess.Popen(
            [sys.executable, "-c", SAVER, str(tmp_path), str(turn)], stdout=subprocess.PIPE
        )
        assert killed.stdout.readline()
        time.sleep(rng.uniform(0.02, 0.3))
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        killed.stdout.close()
    predictions().save(tmp_path / "last.zip")
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith(".")]
    for saved in tmp_path.glob("*.zip"):
        Predictions.load(saved)
    for saved in tmp_path.glob("session-*"):
        assert len(ct.open_workspace(saved).results) == 2


@pytest.fixture
def small_disk():
    """Files may not grow beyond 30 kB, as on a full disk: writing fails, and nothing is killed."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


@posix
def test_a_full_disk_is_one_line_everywhere(small_disk, tmp_path):
    import cutaway as ct
    from cutaway.merging.saved import write_merged

    many = predictions(100_000)
    space = ct.Workspace()
    space.results["a"] = many

    def text():
        with whole_file(tmp_path / "page.html") as temporary:
            temporary.write_text("x" * 100_000)

    def tensors():
        write_merged(tmp_path / "m.safetensors", ct.load_model("lenet5-digits").module, {}, {})

    saves = {
        "one.zip": lambda: many.save(tmp_path / "one.zip"),
        "s": lambda: space.save(tmp_path / "s"),
        "page.html": text,
        "m.safetensors": tensors,
    }
    for name, save in saves.items():
        with pytest.raises(OSError, match="room") as caught:
            save()
        assert caught.value.errno in {errno.EFBIG, errno.ENOSPC}
        assert str(tmp_path / name) in caught.value.strerror
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_libraries_say_of_a_full_disk_is_understood(tmp_path):
    for said in (
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
        OSError("5000 requested and 12 written"),
    ):
        with pytest.raises(OSError, match="room"), whole_file(tmp_path / "a"):
            raise said
    with pytest.raises(RuntimeError, match="another"), whole_file(tmp_path / "a"):
        raise RuntimeError("another")


def test_an_error_of_the_writer_is_passed_on(tmp_path):
    with pytest.raises(DamagedFile), whole_folder(tmp_path / "s") as folder:
        (folder / "x").write_text(json.dumps({}))
        raise DamagedFile("wrong")
    assert list(tmp_path.iterdir()) == []
