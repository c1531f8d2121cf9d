"""Atlas pages hold the thumbnail of every id at the place they say."""

import io

import numpy as np
import pytest
from PIL import Image

from cutaway.data import load_data, thumbnail_atlas


def opened(page):
    return np.asarray(Image.open(io.BytesIO(page)))


def tile(atlas, k):
    page, left, top = atlas.place(k)
    width, height = atlas.tile
    return opened(atlas.pages[page])[top : top + height, left : left + width]


def test_tiles_are_the_thumbnails_in_the_order_of_the_ids():
    digits = load_data("digits", split="test")
    ids = np.random.default_rng(0).permutation(digits.index.ids)[:97]
    atlas = thumbnail_atlas(digits, ids, columns=10)
    assert (len(atlas), atlas.n, atlas.columns, atlas.tile) == (97, 97, 10, (28, 28))
    page = opened(atlas.png)
    assert page.shape == (280, 280)
    for k, one in enumerate(ids):
        np.testing.assert_array_equal(tile(atlas, k), digits.thumbnail(one))
    assert not page[-28:, -3 * 28 :].any()


def test_all_samples_by_default():
    x = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    atlas = thumbnail_atlas(load_data(x))
    assert [int(tile(atlas, k)[0, 0]) for k in range(5)] == [0, 1, 2, 3, 4]


def test_pages_when_one_is_too_small():
    x = np.arange(40, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    atlas = thumbnail_atlas(load_data(x), size=1000, columns=4)
    assert atlas.per_page == 16
    assert len(atlas.pages) == 3
    assert [int(tile(atlas, k)[500, 500]) for k in (0, 15, 16, 39)] == [0, 15, 16, 39]
    assert all(max(opened(page).shape) <= 4096 for page in atlas.pages)
    with pytest.raises(ValueError, match="png needs an atlas of 1 page, got 3 pages of up to 16"):
        _ = atlas.png
    assert repr(atlas).startswith("Atlas(40 tiles of (1000, 1000), 3 pages, ")


def test_pictures_that_are_not_square_are_centred():
    atlas = thumbnail_atlas(load_data(np.full((1, 4, 8), 255, np.uint8)), size=8, columns=1)
    page = opened(atlas.png)
    assert page[2:6].min() == 255
    assert not page[:2].any()
    assert not page[6:].any()


def test_colour_pages():
    x = np.zeros((2, 3, 4, 4), np.uint8)
    x[1, 0] = 200
    assert tile(thumbnail_atlas(load_data(x), size=4), 1)[0, 0].tolist() == [200, 0, 0]


def test_grey_pictures_on_a_page_with_colour(tmp_path):
    data = load_data(np.full((2, 4, 4), 90, np.uint8))

    class Mixed:
        index = data.index

        def thumbnail(self, one, *, size):
            return np.full((size, size, 3), 7, np.uint8) if one else data.thumbnail(0, size=size)

        def __len__(self):
            return 2

    atlas = thumbnail_atlas(Mixed(), size=4)
    assert tile(atlas, 0)[0, 0].tolist() == [90, 90, 90]
    assert tile(atlas, 1)[0, 0].tolist() == [7, 7, 7]


def test_errors():
    data = load_data(np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(ValueError, match="columns must be 1..146, got 200; lower columns or size"):
        thumbnail_atlas(data, columns=200)
    with pytest.raises(ValueError, match="size must be 1..4096, got 5000"):
        thumbnail_atlas(data, size=5000)
    with pytest.raises(ValueError, match="ids must name at least one sample, got none; leave"):
        thumbnail_atlas(data, [])
    with pytest.raises(KeyError, match="got 9; the first ids here are 0, 1"):
        thumbnail_atlas(data, [9])
    with pytest.raises(ValueError, match="k must be 0..1, got 2"):
        thumbnail_atlas(data).place(2)
    with pytest.raises(TypeError, match="thumbnail needs data of kind 'image', got kind 'text'"):
        thumbnail_atlas(load_data(["a"]))
