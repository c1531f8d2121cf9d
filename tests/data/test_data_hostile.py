"""Damaged or hostile files: skipped or refused by name, without programs, waits or memory."""

import io
import os
import random
import stat
import struct
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageFile
from torch.utils.data import Dataset

from cutaway.core._io import DamagedFile
from cutaway.data import load_data
from cutaway.data.pictures import decode_picture

RGB = Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8))
GREY = Image.fromarray((np.add.outer(np.arange(24) * 5, np.arange(20) * 4) % 256).astype(np.uint8))
FRAMES = [Image.fromarray(np.roll(np.asarray(GREY), k, 0)) for k in range(1, 4)]
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"


def written(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def chunk(name, content):
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png(width, height):
    """A grey PNG file of zeros, small whatever it declares."""
    squeezed = zlib.compressobj(1)
    rows = [squeezed.compress(bytes(width + 1)) for _ in range(height)]
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", b"".join(rows) + squeezed.flush())
        + chunk(b"IEND", b"")
    )


def tiled(side):
    """A TIFF file of 64x64 pixels in one tile of `side` by `side`."""
    tags = [(256, 64), (257, 64), (258, 8), (259, 8), (262, 1), (277, 1), (322, side), (323, side)]
    entries = [*tags, (324, 8 + 2 + 12 * 10 + 4), (325, 4)]
    listed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, 10) + listed + bytes(8)


def mutated(content, rng):
    """One of six kinds of damage, drawn at random."""
    changed = bytearray(content)
    place, how = rng.randrange(len(changed)), rng.randrange(6)
    if how == 0:
        del changed[place:]
    elif how == 1:
        for _ in range(rng.choice([1, 2, 8])):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif how == 2:
        changed[place:place] = rng.randbytes(rng.choice([1, 4, 40]))
    elif how == 3:
        del changed[place : place + rng.choice([1, 4, 40])]
    else:
        place = place if how == 4 else rng.randrange(min(len(changed), 120))
        changed[place : place + 4] = rng.choice([b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(4)])
    return bytes(changed)


def wholes():
    """Whole files of every format."""
    more = {"save_all": True, "append_images": FRAMES}
    tables = [
        "text,label\n" + "".join(f'"a, {k}",{k % 3}\r\nsome "words",1\n' for k in range(9)),
        '\ufefftext\näöü\n"two\nlines"\n',
    ]
    return {
        "png": [written(RGB, format="PNG"), written(RGB.convert("P"), format="PNG", **more)],
        "jpg": [written(RGB, format="JPEG"), written(RGB, format="JPEG", progressive=True)],
        "bmp": [written(RGB, format="BMP"), written(GREY, format="BMP")],
        "gif": [written(GREY, format="GIF", **more)],
        "tif": [written(RGB, format="TIFF"), written(RGB, format="TIFF", compression="tiff_lzw")],
        "webp": [written(RGB, format="WEBP"), written(RGB, format="WEBP", lossless=True)],
        "ppm": [written(RGB, format="PPM"), b"P2\n4 4\n255\n" + b"17 " * 16],
        "csv": [one.encode() for one in tables],
        "tsv": [one.replace(",", "\t").encode() for one in tables],
        "parquet": parquets(),
    }


def parquets():
    pa = pytest.importorskip("pyarrow", reason="Parquet needs the extra [tables]")
    from pyarrow import parquet

    texts = [f"text {k % 7}" for k in range(50)]
    table = pa.table({"text": texts, "label": [k % 3 for k in range(50)]})
    found = []
    for options in ({}, {"compression": "gzip", "use_dictionary": False}, {"row_group_size": 13}):
        file = io.BytesIO()
        parquet.write_table(table, file, **options)
        found.append(file.getvalue())
    return found


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "tif", "webp", "ppm"])
def test_damaged_pictures_are_skipped_or_read(ending, tmp_path):
    rng = random.Random(11)
    sources = wholes()[ending]
    for k in range(200):
        (tmp_path / f"{k:03}.{ending}").write_bytes(mutated(rng.choice(sources), rng))
    (tmp_path / f"whole.{ending}").write_bytes(sources[0])
    data = load_data(tmp_path, size=8)
    assert len(data) + len(data.skipped) == 201
    assert len(data.skipped) > 20
    assert all(one.reason and "\n" not in one.reason for one in data.skipped)
    assert data.batch(np.arange(len(data))).inputs.shape[2:] == (8, 8)


def complaint(path):
    """What is said of a table, "" if it is read; any other kind of error fails the test."""
    try:
        data = load_data(path)
        assert len(data.batch(np.arange(len(data))).inputs) == len(data)
    except (ValueError, TypeError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet"])
def test_damaged_tables_are_refused_or_read(ending, tmp_path):
    rng = random.Random(11)
    path = tmp_path / f"t.{ending}"
    refused = 0
    for _ in range(200):
        path.write_bytes(mutated(rng.choice(wholes_of(ending)), rng))
        said = complaint(path)
        refused += bool(said)
        assert "\n" not in said
        assert not said or str(path) in said or "sample" in said or "label" in said
    assert refused > 50


_KEPT = {}


def wholes_of(ending):
    if not _KEPT:
        _KEPT.update(wholes())
    return _KEPT[ending]


def test_damage_that_used_to_end_the_process_is_told(tmp_path):
    # pyarrow dies (std::terminate) when it is asked for the metadata of one damaged column
    (whole, *_) = parquets()
    rng = random.Random(3)
    path = tmp_path / "t.parquet"
    footer = struct.unpack("<I", whole[-8:-4])[0]
    for _ in range(300):
        changed = bytearray(whole)
        changed[len(whole) - 8 - rng.randrange(footer)] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        assert "\n" not in complaint(path)


def test_a_picture_damaged_after_it_was_loaded_is_told_by_name(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(written(RGB, format="PNG"))
    data = load_data(tmp_path)
    for content in (path.read_bytes()[:60], b"", POSTSCRIPT, written(GREY, format="PNG")[:-30]):
        path.write_bytes(content)
        for read in (lambda: data.batch([0]), lambda: data.thumbnail("a.png")):
            with pytest.raises(DamagedFile, match=r"a\.png.*load the data again") as caught:
                read()
            assert "\n" not in str(caught.value)
    path.write_bytes(written(RGB.resize((9, 9)), format="PNG"))
    with pytest.raises(DamagedFile, match=r"a\.png.*9x9 pixels, where it was 24x20"):
        data.batch([0])
    path.unlink()
    for read in (lambda: data.batch([0]), data.read_content):
        with pytest.raises(FileNotFoundError, match=r"a\.png"):
            read()


def reaches(monkeypatch):
    """Where the call of Ghostscript is written down."""
    started = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **_: started.append(args))
    return started


def test_postscript_never_reaches_ghostscript(tmp_path, monkeypatch):
    started = reaches(monkeypatch)
    (tmp_path / "a.png").write_bytes(written(RGB, format="PNG"))
    for name in ("b.png", "c.jpg", "d.tif"):
        (tmp_path / name).write_bytes(POSTSCRIPT)
    data = load_data(tmp_path)
    assert [one.id for one in data.skipped] == ["b.png", "c.jpg", "d.tif"]
    assert all("known format" in one.reason for one in data.skipped)
    with pytest.raises(ValueError, match="format EPS"):
        decode_picture(Image.open(io.BytesIO(POSTSCRIPT)), None, grey=None)
    assert started == []


def test_data_sets_of_others_cannot_start_programs_either(tmp_path, monkeypatch):
    class Opened(Dataset):
        def __init__(self, load):
            self.load = load

        def __len__(self):
            return 1

        def __getitem__(self, place):
            image = Image.open(io.BytesIO(POSTSCRIPT))
            if self.load:
                image.load()
            return image

    with pytest.raises(OSError, match="Ghostscript"):
        load_data(Opened(load=True))
    started = reaches(monkeypatch)
    before = EpsImagePlugin.gs_binary
    data = load_data(Opened(load=False))
    with pytest.raises((ValueError, OSError), match=r"EPS|Ghostscript"):
        data.batch([0])
    assert started == []
    assert EpsImagePlugin.gs_binary == before


def test_what_a_picture_declares_is_checked_before_memory_is_taken(tmp_path, monkeypatch):
    loaded = []
    plain = Image.core.new
    monkeypatch.setattr(Image.core, "new", lambda *args: loaded.append(args) or plain(*args))
    (tmp_path / "a.png").write_bytes(png(40, 30))
    (tmp_path / "big.png").write_bytes(png(8000, 7000))
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(99)))
    )
    (tmp_path / "long.png").write_bytes(png(1, 70_000))
    (tmp_path / "tile.tif").write_bytes(tiled(40_000))
    (tmp_path / "wide.ppm").write_bytes(b"P6\n90000 90000\n255\nabc")
    data = load_data(tmp_path, size=8)
    assert list(data.index) == ["a.png"]
    reasons = {one.id: one.reason for one in data.skipped}
    assert "8000x7000" in reasons["big.png"]
    assert "70000" in reasons["long.png"]
    assert "40000x40000" in reasons["tile.tif"]
    assert set(reasons) == {"big.png", "bomb.png", "long.png", "tile.tif", "wide.ppm"}
    assert all(max(size) <= 40 for _, size, *_ in loaded)


def test_the_limit_is_the_callers(tmp_path):
    (tmp_path / "a.png").write_bytes(png(40, 30))
    (tmp_path / "b.png").write_bytes(png(50, 30))
    data = load_data(tmp_path, max_pixels=1200)
    assert [(one.id, "1,200" in one.reason) for one in data.skipped] == [("b.png", True)]
    assert data.given["max_pixels"] == 1200
    with pytest.raises(ValueError, match="max_pixels must be 1 or more, got 0"):
        load_data(tmp_path, max_pixels=0)


def test_jpeg_files_are_decoded_to_the_size_needed(tmp_path, monkeypatch):
    x = np.add.outer(np.linspace(0, 120, 640), np.linspace(0, 120, 800))
    Image.fromarray(np.rint(x).astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    whole = load_data(tmp_path).thumbnail("a.jpg", size=None)
    taken = []
    plain = ImageFile.ImageFile.load
    monkeypatch.setattr(
        ImageFile.ImageFile, "load", lambda self: taken.append(self.size) or plain(self)
    )
    small = load_data(tmp_path, size=64).thumbnail("a.jpg", size=None)
    assert set(taken) == {(200, 160)}
    middle = Image.fromarray(whole).resize((80, 64), Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(middle)[:, 8:72].astype(int) - small).max() <= 3


def test_a_picture_of_endless_scans_is_skipped(tmp_path):
    content = written(RGB.convert("L"), format="JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    many = content[:-2] + content[last:-2] * 200 + b"\xff\xd9"
    (tmp_path / "a.jpg").write_bytes(content)
    (tmp_path / "b.jpg").write_bytes(many)
    (skipped,) = load_data(tmp_path).skipped
    assert skipped.id == "b.jpg"
    assert "scans" in skipped.reason


def test_a_million_frames_cost_one(tmp_path):
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\2\2\x4c\1\0"
    head = b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0x80, 0, 0) + bytes(6)
    (tmp_path / "a.gif").write_bytes(head + frame * 1_000_000 + b";")
    (tmp_path / "b.png").write_bytes(png(4, 4))
    data = load_data(tmp_path)
    assert len(data) + len(data.skipped) == 2


def test_only_regular_files_are_opened(tmp_path):
    (tmp_path / "a.png").write_bytes(png(4, 4))
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "folder.png").mkdir()
    data = load_data(tmp_path)
    assert list(data.index) == ["a.png"]
    reasons = {one.id: one.reason for one in data.skipped}
    assert set(reasons) == {"gone.png", "pipe.png"}
    assert "pipe" in reasons["pipe.png"]
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    assert stat.S_ISFIFO((tmp_path / "a.png").stat().st_mode)
    with pytest.raises(DamagedFile, match="pipe"):
        data.batch([0])


def test_large_pictures_take_turns(tmp_path, monkeypatch):
    at_work, most = [], []
    plain = ImageFile.ImageFile.load

    def load(self):
        at_work.append(1)
        most.append(len(at_work))
        try:
            return plain(self)
        finally:
            at_work.pop()

    monkeypatch.setattr("cutaway.data.pictures._BIG", 1000)
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    for k in range(8):
        (tmp_path / f"{k}.png").write_bytes(png(900, 900))
    assert len(load_data(tmp_path)) == 8
    assert most
    assert max(most) == 1


def test_pictures_of_a_table_are_decoded_here(tmp_path, monkeypatch):
    from dataclasses import dataclass

    started = reaches(monkeypatch)

    @dataclass
    class Feature:
        decode: bool = True
        dtype: str = "PIL.Image.Image"

    Feature.__name__ = "Image"
    path = tmp_path / "a.png"
    path.write_bytes(written(GREY, format="PNG"))
    values = [
        {"bytes": written(GREY, format="PNG"), "path": None},
        {"bytes": None, "path": str(path)},
        {"bytes": POSTSCRIPT, "path": "b.png"},
        {"bytes": None, "path": None},
    ]

    class Table:
        column_names = ("image",)

        def __init__(self, feature):
            self.features = {"image": feature}

        def __len__(self):
            return 4

        def __getitem__(self, key):
            assert not self.features["image"].decode
            return {"image": values[key]}

        def cast_column(self, column, feature):
            return Table(feature)

    data = load_data(Table(Feature()))
    assert [one.id for one in data.skipped] == [2, 3]
    assert data.batch([0]).content == data.batch([1]).content == data.digests([1])
    np.testing.assert_array_equal(data.thumbnail(1, size=None), np.asarray(GREY))
    assert started == []
