"""The heat-map in a real browser: mouse and keys on both axes, no kernel."""

import numpy as np
import pandas as pd
import pytest
from mouse import box_of, drag
from static_page import drawn, of, open_views, snapshot
from static_scene import PAINTED, look, repainted, selected

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser

LAYERS = Index([f"layer {i}" for i in range(6)], "layer")
HEADS = Index([f"head {i}" for i in range(8)], "head")


def heads():
    """A layers × heads map with one missing cell, and tables of both axes."""
    values = np.linspace(-0.6, 1, 48).reshape(6, 8)
    values[2, 3] = np.nan
    layers, columns = cw.Link(LAYERS), cw.Link(HEADS)
    view = cw.HeatMap(
        values,
        row_link=layers,
        link=columns,
        diverging=True,
        name="change of loss",
        unit="nats",
        title="Ablating one head",
        height=260,
    )
    table = cw.Table(pd.DataFrame({"layer": LAYERS.ids}), link=layers, height=160)
    return view, table


@pytest.fixture
def page(browser):
    view, table = heads()
    page = open_views(browser, [view, table])
    page.cw = view, table
    yield page
    assert page.strays == []
    page.context.close()


def cell(page, view, row, column):
    """Put the pointer on a cell, whose tip must name it; gives the place."""
    canvas = of(page, view).locator("canvas.cw-over")
    canvas.scroll_into_view_if_needed()
    page.wait_for_function(PAINTED, arg=of(page, view).locator("canvas").first.element_handle())
    box = box_of(canvas)
    # Names of rows take 7 % of the width here; a guess within half a cell finds it.
    x = box["x"] + (0.07 + 0.92 * (column + 0.5) / 8) * box["width"]
    y = box["y"] + (0.05 + 0.87 * (row + 0.5) / 6) * box["height"]
    page.mouse.move(x, y)
    expect(of(page, view).locator(".cw-tip strong")).to_have_text(f"layer {row}, head {column}")
    return x, y


def test_a_click_selects_the_row_and_the_column_of_a_cell(page):
    view, table = page.cw
    place = cell(page, view, 4, 5)
    expect(of(page, view).locator(".cw-tip")).to_contain_text("change of loss: 0.6")
    page.mouse.click(*place)
    assert selected(page, view.row_link) == [4]
    assert selected(page, view.link) == [5]
    of(page, table).get_by_text("6 layers, 1 selected").wait_for()
    expect(of(page, view).locator(".cw-summary")).to_contain_text(
        "6 layers by 8 heads, 1 layer and 1 head selected, 1 without a finite value"
    )
    page.keyboard.press("Escape")
    assert selected(page, view.row_link) == selected(page, view.link) == []


def test_a_rectangle_selects_both_axes_and_the_margins_one(page):
    view, _ = page.cw
    canvas = of(page, view).locator("canvas.cw-over")
    page.wait_for_function(PAINTED, arg=of(page, view).locator("canvas").first.element_handle())
    drag(page, canvas, [(0.09, 0.1), (0.5, 0.4)])
    rows, columns = selected(page, view.row_link), selected(page, view.link)
    assert rows == [0, 1, 2]
    assert columns == [0, 1, 2, 3]
    page.keyboard.down("Alt")
    drag(page, canvas, [(0.02, 0.3), (0.03, 0.32)])
    page.keyboard.up("Alt")
    assert selected(page, view.row_link) == [0, 2]
    assert selected(page, view.link) == columns
    page.keyboard.down("Shift")
    drag(page, canvas, [(0.97, 0.02), (0.98, 0.02)])
    page.keyboard.up("Shift")
    assert selected(page, view.link) == [*columns, 7]
    assert selected(page, view.row_link) == [0, 2]


def test_keys_walk_read_out_and_select(page):
    view, table = page.cw
    canvas = of(page, view).locator("canvas.cw-over")
    canvas.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    tip = of(page, view).locator(".cw-tip")
    expect(tip).to_contain_text("layer 2, head 3")
    expect(tip).to_contain_text("no finite value")
    expect(tip).to_have_attribute("aria-live", "polite")
    page.keyboard.press("r")
    assert (selected(page, view.row_link), selected(page, view.link)) == ([2], [])
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert (selected(page, view.row_link), selected(page, view.link)) == ([2], [4])
    page.keyboard.press("Shift+ArrowDown")
    assert (selected(page, view.row_link), selected(page, view.link)) == ([2, 3], [4])
    of(page, table).get_by_text("2 selected").wait_for()


def test_columns_are_sorted_by_a_row_and_back(page):
    view, _ = page.cw
    canvas = of(page, view).locator("canvas").first
    page.wait_for_function(PAINTED, arg=canvas.element_handle())
    before = look(page, canvas)
    over = of(page, view).locator("canvas.cw-over")
    over.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("s")
    repainted(page, canvas, before)
    assert page.evaluate("id => window.models[id].get('_sort_row')", view.model_id) == 0
    expect(of(page, view).get_by_role("button", name="Sort columns")).to_have_text(
        "Columns by layer 0"
    )
    # The numbers of layer 0 rise to the right, so its largest comes first now.
    page.keyboard.press("Escape")
    page.mouse.move(0, 0)
    box = box_of(over)
    page.mouse.move(box["x"] + 0.12 * box["width"], box["y"] + 0.1 * box["height"])
    expect(of(page, view).locator(".cw-tip strong")).to_have_text("layer 0, head 7")
    page.mouse.move(0, 0)
    page.keyboard.press("s")
    page.wait_for_function(
        "([c, old]) => c.toDataURL() === old", arg=[canvas.element_handle(), before]
    )


def test_hover_is_shared_with_other_views_of_both_axes(page):
    view, _ = page.cw
    cell(page, view, 1, 6)
    hover = [
        page.evaluate("id => window.models[id].get('_hover')", one.model_id)
        for one in (view.row_link, view.link)
    ]
    assert hover == [1, 6]
    page.mouse.move(0, 0)
    assert page.evaluate("id => window.models[id].get('_hover')", view.link.model_id) == -1


def test_rows_of_other_data_are_never_drawn(page):
    view, _ = page.cw
    page.evaluate("id => window.models[id].set('digest', 'x')", view.row_link.model_id)
    of(page, view).get_by_text("about different layers").wait_for()


def test_fifty_thousand_columns_are_drawn_and_the_pixels_say_what_they_are(browser):
    """Planted: one column of 50,000 is far above all others; its pixel must shine and name it."""
    values = np.random.default_rng(0).uniform(0, 0.1, (120, 50_000)).astype(np.float32)
    values[:, 31_234] = 1.0
    view = cw.HeatMap(values, quantise="u1", height=300)
    page = open_views(browser, [view])
    canvas = of(page, view).locator("canvas").first
    page.wait_for_function(PAINTED, arg=canvas.element_handle())
    expect(of(page, view).locator(".cw-summary")).to_contain_text(
        "several cells a pixel: the largest is drawn"
    )
    bright = canvas.evaluate("""c => {
      const y = Math.floor(c.height / 2);
      const row = c.getContext('2d').getImageData(0, y, c.width, 1).data;
      return Array.from({ length: c.width }, (_, x) => x).filter((x) =>
        row[4 * x] > 240 && row[4 * x + 1] > 200 && row[4 * x + 2] < 90);
    }""")
    assert 1 <= len(bright) <= 2
    box = box_of(canvas)
    page.mouse.click(box["x"] + bright[0] + 0.5, box["y"] + 150)
    assert selected(page, view.link) == [31_234]
    of(page, view).get_by_role("button", name="Zoom in").click(click_count=3)
    snapshot(page, "heat-map-large")
    assert page.strays == []
    page.context.close()


def test_nothing_to_show_is_said(browser):
    empty = cw.HeatMap(np.zeros((0, 3)))
    unknown = cw.HeatMap(np.full((2, 3), np.nan))
    page = open_views(browser, [empty, unknown])
    for one in (empty, unknown):
        of(page, one).get_by_text("No cell has a value yet.").wait_for()
    assert page.strays == []
    page.context.close()


@pytest.mark.parametrize(("name", "dark", "width"), [("light", False, 900), ("dark", True, 420)])
def test_pictures(browser, name, dark, width):
    view, _ = heads()
    rng = np.random.default_rng(1)
    wide = cw.HeatMap(
        rng.gamma(2.0, 1.0, (12, 60)),
        rows=Index([f"conv2:{i}" for i in range(12)], "unit"),
        name="activation",
        title="Filters by samples",
    )
    page = open_views(browser, [view, wide], dark=dark, width=width)
    page.wait_for_function(PAINTED, arg=of(page, wide).locator("canvas").first.element_handle())
    drag(page, of(page, wide).locator("canvas.cw-over"), [(0.4, 0.3), (0.6, 0.5)])
    of(page, view).locator("canvas.cw-over").press("ArrowRight")
    drawn(page)
    snapshot(page, f"heat-map-{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.strays == []
    page.context.close()
