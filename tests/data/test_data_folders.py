"""Image folders, with everything that lies around in real ones."""

import numpy as np
import pytest
import torch
from PIL import Image

from cutaway.data import load_data

RNG = np.random.default_rng(5)


def grey(shape=(6, 6)):
    return RNG.integers(0, 256, shape, np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return array


@pytest.fixture
def pets(tmp_path):
    """Two classes of three grey images each."""
    arrays = {
        f"{kind}/{k}.png": save(tmp_path / "pets" / kind / f"{k}.png", grey())
        for kind in ("dog", "cat")
        for k in range(3)
    }
    return tmp_path / "pets", arrays


def test_class_folders(pets):
    folder, arrays = pets
    data = load_data(folder)
    assert (data.name, data.kind, data.classes) == ("pets", "image", ("cat", "dog"))
    assert list(data.index) == sorted(arrays)
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1]
    for one, array in arrays.items():
        np.testing.assert_array_equal(data.thumbnail(one, size=None), array)
    batch = data.batch([4, 1])
    assert batch.inputs.shape == (2, 1, 6, 6)
    expected = np.stack([arrays["dog/1.png"], arrays["cat/1.png"]])[:, None] / np.float32(255)
    torch.testing.assert_close(batch.inputs, torch.from_numpy(expected), rtol=1e-6, atol=0)
    assert batch.labels.tolist() == [1, 0]


def test_a_string_path_is_the_same(pets):
    assert load_data(str(pets[0])).index.digest == load_data(pets[0]).index.digest


def test_flat_folder_has_no_labels(tmp_path):
    for name in ("b.png", "a.PNG", "c.bmp"):
        save(tmp_path / name, grey())
    data = load_data(tmp_path)
    assert list(data.index) == ["a.PNG", "b.png", "c.bmp"]
    assert data.labels is None
    assert data.classes is None


def test_broken_images_are_skipped_counted_and_listed(pets):
    folder, arrays = pets
    (folder / "cat" / "1.png").write_bytes(b"no image at all")
    whole = (folder / "dog" / "2.png").read_bytes()
    (folder / "dog" / "2.png").write_bytes(whole[: len(whole) // 2])
    save(folder / "dog" / "3.jpg", grey((64, 64)))
    whole = (folder / "dog" / "3.jpg").read_bytes()
    (folder / "dog" / "3.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "4.png").write_bytes(b"")
    data = load_data(folder)
    assert list(data.index) == ["cat/0.png", "cat/2.png", "dog/0.png", "dog/1.png"]
    assert data.labels.tolist() == [0, 0, 1, 1]
    broken = ["cat/1.png", "dog/2.png", "dog/3.jpg", "dog/4.png"]
    assert [one.id for one in data.skipped] == broken
    assert all(one.reason and "\n" not in one.reason for one in data.skipped)
    assert repr(data) == "Samples(pets: 4 of kind image, 2 classes, 4 skipped)"
    np.testing.assert_array_equal(data.thumbnail("dog/1.png", size=None), arrays["dog/1.png"])
    assert data.batch(np.arange(4)).inputs.shape == (4, 1, 6, 6)


def test_all_broken(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"that can be read, got 1 broken in .*: a.png, no pict"):
        load_data(tmp_path)


def test_colour_and_grey_become_colour(tmp_path):
    dim = save(tmp_path / "a.png", grey())
    bright = save(tmp_path / "b.png", grey((6, 6, 3)))
    data = load_data(tmp_path)
    assert data.batch([0, 1]).inputs.shape == (2, 3, 6, 6)
    np.testing.assert_array_equal(data.thumbnail("a.png", size=None), np.stack([dim] * 3, axis=-1))
    np.testing.assert_array_equal(data.thumbnail("b.png", size=None), bright)


def test_sixteen_bits_keep_their_range(tmp_path):
    deep = np.array([[0, 257, 65535]], np.uint16)
    save(tmp_path / "a.png", deep)
    assert load_data(tmp_path).thumbnail("a.png", size=None).tolist() == [[0, 1, 255]]


def test_floating_point_pixels_are_skipped(tmp_path):
    save(tmp_path / "a.tif", grey().astype(np.float32))
    save(tmp_path / "b.png", grey())
    (skipped,) = load_data(tmp_path).skipped
    assert (skipped.id, skipped.reason) == (
        "a.tif",
        "floating-point pixels have no fixed range",
    )


def test_a_picture_is_turned_as_its_camera_was_held(tmp_path):
    array = grey((4, 8))
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a.png", array, exif=exif)
    np.testing.assert_array_equal(
        load_data(tmp_path).thumbnail("a.png", size=None), np.rot90(array, -1)
    )


def test_several_sizes_need_size(pets):
    folder, _ = pets
    save(folder / "dog" / "9.png", grey((10, 8)))
    message = (
        r"size must be given for pictures of several sizes, got 6x6 \(6 times\), 10x8 "
        r"\(1 times, e.g. dog/9.png\) and 0 more sizes; pass size=6 or"
    )
    with pytest.raises(ValueError, match=message):
        load_data(folder)
    assert load_data(folder, size=5).batch(np.arange(7)).inputs.shape == (7, 1, 5, 5)
    assert load_data(folder, size=(4, 7)).batch(np.arange(7)).inputs.shape == (7, 1, 4, 7)


def test_size_covers_and_cuts_at_the_centre(tmp_path):
    wide = np.zeros((4, 12), np.uint8)
    wide[:, 4:8] = 255
    save(tmp_path / "a.png", wide)
    assert load_data(tmp_path, size=4).thumbnail("a.png", size=None).min() == 255


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        (0, ValueError, "size must be 1 or more, got 0; give pixels"),
        ("28", TypeError, r"size must be a whole number, got '28' \(str\)"),
        ((1, 2, 3), ValueError, r"pixels or \(height, width\), got \(1, 2, 3\); give one or two"),
    ],
)
def test_wrong_size(pets, size, error, message):
    with pytest.raises(error, match=message):
        load_data(pets[0], size=size)


def test_other_files_and_hidden_ones_are_passed_over(pets):
    folder, arrays = pets
    (folder / "dog" / "notes.txt").write_text("x")
    (folder / "readme.md").write_text("x")
    save(folder / ".cache" / "x.png", grey())
    save(folder / "cat" / ".x.png", grey())
    assert len(load_data(folder)) == len(arrays)


def test_deeper_folders_belong_to_their_class(pets):
    folder, _ = pets
    save(folder / "cat" / "old" / "7.png", grey())
    data = load_data(folder)
    assert data.labels[data.index.positions(["cat/old/7.png"])[0]] == 0


def test_splits(pets, tmp_path):
    folder, _ = pets
    (tmp_path / "both").mkdir()
    folder.rename(tmp_path / "both" / "train")
    save(tmp_path / "both" / "test" / "cat" / "0.png", grey())
    data = load_data(tmp_path / "both", split="train")
    assert (data.name, data.classes, len(data)) == ("both/train", ("cat", "dog"), 6)
    assert next(iter(data.index)) == "train/cat/0.png"
    with pytest.raises(ValueError, match=r"split must be one of 'test', 'train' for .*, got None"):
        load_data(tmp_path / "both")
    with pytest.raises(ValueError, match="split must be one of 'test', 'train', got 'dev'"):
        load_data(tmp_path / "both", split="dev")


def test_images_beside_class_folders(pets):
    save(pets[0] / "stray.png", grey())
    with pytest.raises(ValueError, match=r"got both in .* \(1 images beside 2 folders\); move"):
        load_data(pets[0])


def test_no_images(tmp_path):
    with pytest.raises(ValueError, match=r"source must hold images \(.bmp, .*got none below"):
        load_data(tmp_path)


def test_limit_and_own_labels_stay_with_their_files(pets):
    folder, arrays = pets
    (folder / "cat" / "0.png").write_bytes(b"")
    names = list(load_data(folder, limit=6, labels=list("abcdef")).index)
    data = load_data(folder, labels=list("abcdef"))
    assert [data.classes[k] for k in data.labels] == list("bcdef")
    assert names == sorted(arrays)[1:]
    half = load_data(folder, limit=4)
    assert len(half) + len(half.skipped) == 4
