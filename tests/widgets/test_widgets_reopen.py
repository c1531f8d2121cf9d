"""What a notebook keeps of views besides the widget: a line, pictures, tables."""

import base64
import io
import re
from html.parser import HTMLParser

import ipywidgets
import nbformat
import numpy as np
import pandas as pd
import pytest
from nbclient import NotebookClient
from PIL import Image

import cutaway as ct
import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets._reopen import fallback
from cutaway_widgets._stills import still

WIDGET = "application/vnd.jupyter.widget-view+json"
BLUE, ORANGE = (0, 114, 178), (230, 159, 0)


def picture(text):
    """The first picture of some HTML as an array of shape (height, width, 3)."""
    data = re.search(r"base64,([^\"]+)\"", text)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def near(pixels, colour):
    """Places (x, y) of about that colour."""
    return np.argwhere(abs(pixels - colour).max(axis=2) < 30)[:, ::-1]


def texts(page):
    """All texts of a page, as a browser reads them."""
    parser, found = HTMLParser(), []
    parser.handle_data = found.append
    parser.feed(page)
    return found


def bundle(view):
    found = view._repr_mimebundle_()
    return found[0] if isinstance(found, tuple) else found


def scatter(n=1000):
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.4, 0.4, (n, 2))
    points[n // 2 :] += (4, 2)
    kinds = cw.Categories((np.arange(n) >= n // 2).astype(int), ["main", "small"])
    return cw.Scatter(points, colors={"cluster": kinds}, title="conv2", caption="lenet5 · digits")


class TestBundle:
    def test_of_a_view_is_one_line_and_a_picture_beside_the_widget(self):
        data = bundle(scatter())
        assert data["text/plain"] == "Scatter of 1,000 samples, conv2"
        assert data[WIDGET]["model_id"]
        assert "Scatter of 1,000 samples, conv2" in data["text/html"]
        assert "lenet5 · digits" in data["text/html"]
        assert len(data["text/html"]) < 62_000

    def test_of_a_composite_has_the_pictures_of_its_views_once(self):
        data = ct.load_data("digits", split="test", limit=60)
        view = cw.FilterExplorer("lenet5-digits", data, start=False, inline=True)
        found = bundle(view)
        assert found["text/plain"].startswith("FilterExplorer(lenet5-digits on digits")
        assert found[WIDGET]["model_id"] == view.model_id
        assert "conv1" in found["text/html"]
        assert len(found["text/html"]) < 62_000

    def test_never_fails_for_a_view_that_cannot_be_drawn(self):
        view = scatter()
        view._colors = [{"kind": "category", "data": None}]
        found = bundle(view)
        assert "no picture: TypeError" in found["text/html"]
        assert WIDGET in found

    def test_words_from_data_are_no_markup(self):
        nasty = "<img src=x onerror=alert(1)>"
        frame = pd.DataFrame({nasty: [nasty]})
        box = ipywidgets.VBox([cw.Table(frame, title=nasty), scatter()])
        text = fallback(box)
        assert nasty not in text
        assert nasty in texts(text)


class TestStills:
    def test_points_stand_where_they_are_in_their_colours(self):
        pixels = picture(still(scatter()))
        main, small = near(pixels, BLUE), near(pixels, ORANGE)
        assert len(main) > 500
        assert len(small) > 500
        # The small cluster lies to the right and above.
        assert main[:, 0].max() < small[:, 0].min()
        assert main[:, 1].min() > small[:, 1].max()

    def test_a_million_points_are_small_and_keep_their_extent(self):
        text = still(cw.Scatter(np.random.default_rng(0).normal(size=(300_000, 2))))
        assert len(text) < 61_000
        assert len(near(picture(text), BLUE)) > 3000

    def test_bars_are_as_tall_as_the_counts(self):
        values = np.repeat([0.5, 1.5, 2.5, 3.5], [10, 40, 20, 0])
        pixels = picture(still(cw.Histogram(np.r_[values, 3.5], bins=4, name="loss", unit="nats")))
        blue = near(pixels, BLUE)
        tall = [np.ptp(blue[blue[:, 0] // 120 == part][:, 1]) for part in range(3)]
        np.testing.assert_allclose(np.array(tall) / tall[1], [0.25, 1.0, 0.5], atol=0.03)

    def test_the_grid_has_the_pictures_in_its_order(self):
        sheet = np.zeros((8, 24, 3), np.uint8)
        for i, level in enumerate((60, 150, 240)):
            sheet[:, 8 * i : 8 * i + 8] = level
        file = io.BytesIO()
        Image.fromarray(sheet).save(file, "PNG")

        class Planted:
            pages, n, columns, tile, per_page = (file.getvalue(),), 3, 3, (8, 8), 3

        link = cw.Link(Index(["a", "b", "c"]), thumbnails=Planted())
        pixels = picture(still(cw.ImageGrid(link=link, order=["c", "a", "b"])))
        assert [int(pixels[20, x, 0]) for x in (20, 70, 115)] == [240, 60, 150]

    def test_a_table_has_its_first_rows_in_its_order(self):
        frame = pd.DataFrame({"unit": range(14), "score": [float(i % 7) for i in range(14)]})
        view = cw.Table(frame, sort="score", title="Filters")
        cells = texts(still(view))
        assert cells[:6] == ["unit", "score", "6", "6", "13", "6"]
        assert cells[-1] == "and 4 more"

    @pytest.mark.parametrize(
        "view",
        [
            lambda: cw.Scatter(np.full((3, 2), np.nan)),
            lambda: cw.Histogram(np.full(3, np.nan)),
            lambda: cw.Table(pd.DataFrame({"a": []})),
            lambda: cw.ImageGrid(index=Index.count(3)),
            lambda: cw.SiteTree([]),
            lambda: cw.SelectionBar(cw.Link(Index.count(3))),
        ],
    )
    def test_nothing_to_draw_is_no_picture(self, view):
        assert still(view()) == ""


class TestShow:
    def test_refuses_what_holds_no_view(self):
        with pytest.raises(TypeError, match=r"view must be a Cutaway view or a box of them, got V"):
            cw.show(ipywidgets.VBox([]))

    def test_an_executed_notebook_holds_line_picture_state_and_second_output(self):
        cells = [
            "import numpy as np, cutaway_widgets as cw",
            "points = np.random.rand(300, 2); cw.Scatter(points, title='conv2')",
            "cw.show(cw.Scatter(points, title='conv3'), static=True)",
        ]
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
        NotebookClient(book, timeout=120, kernel_name="python3").execute()
        plain = book.cells[1].outputs[0].data
        assert plain["text/plain"] == "Scatter of 300 samples, conv2"
        assert picture(plain["text/html"]).shape == (300, 480, 3)
        living, still_one = book.cells[2].outputs
        model_id = living.data[WIDGET]["model_id"]
        assert "<img" not in living.data["text/html"]
        assert still_one.data["text/html"].startswith(f'<div class="cutaway-still-{model_id}">')
        saved = book.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
        assert saved[model_id]["state"]["_still"] == f"cutaway-still-{model_id}"
