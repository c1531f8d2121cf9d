"""Arrays and tensors as data, and how any image array is made visible."""

import numpy as np
import pytest
import torch

from cutaway.data import load_data
from cutaway.data.tiles import visible

GREY = np.random.default_rng(0).integers(0, 256, (6, 5, 7), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 3, 5, 7), np.uint8)


@pytest.mark.parametrize(
    "x",
    [GREY, GREY.astype(np.int64), torch.from_numpy(GREY), GREY[:, None], np.float64(GREY) / 255],
)
def test_grey_images_in_any_form(x):
    data = load_data((x, [0, 1, 2, 0, 1, 2]))
    assert data.kind == "image"
    assert list(data.index) == list(range(6))
    expected = torch.from_numpy(GREY[:, None].astype(np.float32) / 255)
    batch = data.batch(np.arange(6))
    torch.testing.assert_close(batch.inputs, expected, rtol=1e-6, atol=0)
    assert batch.labels.tolist() == [0, 1, 2, 0, 1, 2]
    np.testing.assert_array_equal(data.thumbnail(4, size=None), GREY[4])


def test_colour_images():
    data = load_data(COLOUR)
    assert data.batch([2]).inputs.shape == (1, 3, 5, 7)
    np.testing.assert_array_equal(data.thumbnail(2, size=None), COLOUR[2].transpose(1, 2, 0))


def test_normalised_floats_are_passed_on_and_stretched_for_the_eye():
    x = (GREY / 255 - 0.5) / 0.25
    data = load_data(x)
    torch.testing.assert_close(data.batch([0]).inputs[0, 0], torch.from_numpy(x[0]).float())
    shown = data.thumbnail(0, size=None)
    assert (shown.min(), shown.max()) == (0, 255)
    own = GREY[0].astype(float)
    stretched = (own - own.min()) / (own.max() - own.min()) * 255
    assert np.abs(shown - stretched).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (np.full((2, 2), 3.0), 0),
        (np.full((2, 2), np.nan), 0),
        (np.full((2, 2), 0.5), 128),
        (np.full((2, 2), 7, np.uint8), 7),
        (np.full((5, 2, 2), 0.2), 51),
    ],
)
def test_plain_pictures(picture, expected):
    assert visible(picture).tolist() == [[expected] * 2] * 2


def test_nan_pixels_are_black_and_spoil_nothing():
    shown = visible(np.array([[np.nan, -1.0, 3.0]]))
    assert shown.tolist() == [[0, 0, 255]]


def test_alpha_is_dropped():
    shown = visible(np.concatenate([COLOUR[0], COLOUR[0, :1]]))
    np.testing.assert_array_equal(shown, COLOUR[0].transpose(1, 2, 0))


def test_rows_of_numbers():
    data = load_data(np.arange(6.0).reshape(3, 2))
    assert data.kind == "array"
    assert data.batch([2]).inputs.dtype == torch.float32
    assert data.batch([2]).inputs.tolist() == [[4.0, 5.0]]


def test_token_ids_stay_whole():
    batch = load_data(np.array([[5, 6], [7, 8]], np.int32)).batch([1])
    assert batch.inputs.dtype == torch.int64
    assert batch.inputs.tolist() == [[7, 8]]


def test_booleans_and_half_precision():
    assert load_data(np.ones((2, 3, 3), bool)).batch([0]).inputs.max() == 1
    half = torch.full((2, 3, 3), 0.5, dtype=torch.bfloat16, requires_grad=True)
    assert load_data(half).batch([0]).inputs.unique().tolist() == [0.5]


def test_reading_does_not_change_the_source():
    x = GREY.copy()
    data = load_data(x)
    data.batch([0]).inputs.fill_(9)
    floats = x.astype(np.float32)[:, None] / 255
    load_data(floats).batch(np.arange(6)).inputs.fill_(9)
    np.testing.assert_array_equal(x, GREY)
    assert floats.max() <= 1


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros(3), ValueError, r"source must have shape \(n, h, w\).*got \(3,\); reshape"),
        (np.zeros((1, 1, 1, 1, 1)), ValueError, r"got \(1, 1, 1, 1, 1\)"),
        (np.zeros((0, 3, 3)), ValueError, "source must hold at least one sample, got none in im"),
        (np.zeros((4, 9, 9, 3)), ValueError, r"channels second .*use x.transpose\(0, 3, 1, 2\)"),
        (np.full((2, 3, 3), 256), ValueError, r"whole numbers in 0..255 for images, got 256..256"),
        (np.full((2, 3, 3), -1), ValueError, r"for images, got -1..-1; scale it to floats"),
        (np.zeros((3, 0)), ValueError, r"some numbers a sample, got shape \(3, 0\)"),
        (np.zeros((3, 0, 5)), ValueError, r"some numbers a sample, got shape \(3, 0, 5\)"),
        (np.ma.array(np.eye(3), mask=np.eye(3)), ValueError, "no masked values, got 3 of 9"),
        (np.array(5.0), ValueError, r"got \(\)"),
        (np.array([[None, 1]], object), TypeError, "dtype object"),
        (np.array([[b"a"]]), TypeError, "dtype .S1"),
        (np.zeros((2, 2), "M8[s]"), TypeError, "dtype datetime64"),
        (torch.eye(3).to_sparse(), TypeError, "dense tensor .*float32 .*sparse"),
        (torch.empty(2, 2, device="meta"), TypeError, "dense tensor .*meta"),
        (np.zeros((2, 2), complex), TypeError, "array of real numbers or of strings, got dtype co"),
    ],
)
def test_wrong_arrays(x, error, message):
    with pytest.raises(error, match=message):
        load_data(x)


def test_floats_left_in_0_255_are_told():
    with pytest.warns(UserWarning, match="got values in 0..249; divide by 255 or pass") as told:
        load_data(GREY.astype(np.float32))
    assert told[0].filename == __file__


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": [0, 1]}, r"labels must have as many entries as the samples found \(6\), got 2"),
        ({"ids": [0, 1]}, r"ids must have as many entries as the samples found \(6\), got 2"),
        ({"ids": list("aabcde")}, "ids must be unique, got 'a' 2 times"),
        ({"limit": 0}, "limit must be 1 or more, got 0"),
    ],
)
def test_wrong_labels_ids_limit(options, message):
    with pytest.raises(ValueError, match=message):
        load_data(GREY, **options)


def test_labels_ids_and_name_of_the_caller_win():
    data = load_data((GREY, np.zeros(6)), labels=list("ababab"), ids=list("uvwxyz"), name="mine")
    assert data.name == "mine"
    assert data.classes == ("a", "b")
    assert data.labels.tolist() == [0, 1] * 3
    np.testing.assert_array_equal(data.thumbnail("w", size=None), GREY[2])


def test_limit_keeps_ids_labels_and_pictures_together():
    data = load_data((GREY, [0, 0, 0, 1, 1, 1]), limit=2)
    assert sorted(data.labels.tolist()) == [0, 1]
    for one in data.index:
        np.testing.assert_array_equal(data.thumbnail(one, size=None), GREY[one])


@pytest.mark.filterwarnings("error")
def test_images_that_hold_no_number_are_read_as_they_are():
    x = np.full((2, 3, 3), np.nan)
    assert load_data(x).batch([0]).inputs.isnan().all()


def test_a_mask_that_hides_nothing_is_no_mask():
    assert len(load_data(np.ma.array(GREY))) == 6
