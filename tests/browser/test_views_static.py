"""The shipped bundle in a real browser: real mouse and keys, no kernel, no network."""

import numpy as np
import pandas as pd
import pytest
from static_page import drawn, of, open_views, snapshot, take_away
from static_scene import PAINTED, N, everything, look, repainted, selected
from static_scene import page, scene  # noqa: F401 - fixtures
from mouse import box_of, drag

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser


LEFT = [(0.05, 0.02), (0.55, 0.02), (0.55, 0.88), (0.05, 0.88)]


def test_a_lasso_selects_the_cluster_and_every_view_follows(page, scene):
    canvas = of(page, scene.scatter).locator("canvas.cw-over")
    histogram = of(page, scene.histogram).locator("canvas")
    page.wait_for_function(
        PAINTED, arg=of(page, scene.scatter).locator("canvas").first.element_handle()
    )
    before = look(page, histogram)
    drag(page, canvas, LEFT)
    assert selected(page, scene.samples) == list(range(160))
    of(page, scene.grid).get_by_text("160 samples shown").wait_for()
    of(page, scene.histogram).get_by_text("160 selected").wait_for()
    repainted(page, histogram, before)
    assert selected(page, scene.units) == []
    # Python is told once the selection rests.
    page.wait_for_function("id => window.models[id].saved === 1", arg=scene.samples.model_id)


def test_shift_adds_alt_takes_away_and_escape_clears(page, scene):
    canvas = of(page, scene.scatter).locator("canvas.cw-over")
    of(page, scene.scatter).get_by_role("radio", name="Box").click()
    right = [(0.6, 0.02), (0.995, 0.88)]
    drag(page, canvas, right)
    assert selected(page, scene.samples) == list(range(160, N))
    page.keyboard.down("Shift")
    drag(page, canvas, [(0.05, 0.02), (0.55, 0.88)])
    page.keyboard.up("Shift")
    assert len(selected(page, scene.samples)) == N
    page.keyboard.down("Alt")
    drag(page, canvas, right)
    page.keyboard.up("Alt")
    assert selected(page, scene.samples) == list(range(160))
    canvas.press("i")
    assert selected(page, scene.samples) == list(range(160, N))
    canvas.press("Escape")
    assert selected(page, scene.samples) == []


def test_keys_alone_reach_and_select_a_point(page, scene):
    canvas = of(page, scene.scatter).locator("canvas.cw-over")
    canvas.focus()
    canvas.press("ArrowRight")
    canvas.press("ArrowRight")
    canvas.press("Enter")
    assert len(selected(page, scene.samples)) == 1
    row = selected(page, scene.samples)[0]
    assert of(page, scene.scatter).locator(".cw-tip").inner_text().startswith(f"sample s{row:03d}")


def test_hover_shows_the_picture_of_the_point_under_the_pointer(page, scene):
    canvas = of(page, scene.scatter).locator("canvas.cw-over")
    canvas.focus()
    canvas.press("ArrowRight")
    tip = of(page, scene.scatter).locator(".cw-tip")
    tip.wait_for()
    row = int(tip.locator("strong").inner_text().removeprefix("sample s"))
    colour = tip.locator("canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(20, 20, 1, 1).data]"
    )
    assert colour == [row, 255 - row, 40, 255]
    assert "cluster: " in tip.inner_text()
    assert "nats" in tip.inner_text()


def test_zoom_moves_points_and_fit_brings_them_back(page, scene):
    view = of(page, scene.scatter)
    base = view.locator("canvas").first
    whole = look(page, base)
    view.get_by_role("button", name="Zoom in").click()
    repainted(page, base, whole)
    view.get_by_role("button", name="Show all points").click()
    page.wait_for_function(
        "([c, old]) => c.toDataURL() === old", arg=[base.element_handle(), whole]
    )


def test_colour_by_repaints_and_changes_the_legend(page, scene):
    view = of(page, scene.scatter)
    assert view.locator(".cw-key").all_inner_texts() == ["main\n160", "small\n80"]
    view.get_by_label("Colour by").select_option("loss")
    view.locator(".cw-ramp").wait_for()
    assert "loss (nats)" in view.locator(".cw-legend").inner_text()
    view.get_by_label("Colour by").select_option("cluster")
    view.locator(".cw-key").nth(1).click()
    assert selected(page, scene.samples) == list(range(160, N))


def test_the_grid_shows_the_right_pictures_of_the_selection(page, scene):
    page.evaluate(
        "id => { const m = window.models[id]; const b = new Uint8Array(30); b[0] = 8; b[25] = 4;"
        " m.set('_of', m.get('digest')); m.set('_mask', new DataView(b.buffer)); }",
        scene.samples.model_id,
    )
    tiles = of(page, scene.grid).get_by_role("option")
    tiles.nth(1).wait_for()
    expect(tiles).to_have_count(2)
    for tile, row in zip(tiles.all(), (3, 202), strict=True):
        assert tile.get_attribute("aria-label") == f"sample s{row:03d}, {row % 10}"
        colour = tile.locator("canvas").evaluate(
            "c => [...c.getContext('2d').getImageData(20, 20, 1, 1).data]"
        )
        assert colour == [row, 255 - row, 40, 255]


def test_the_grid_keeps_only_visible_tiles_in_the_page(page, scene):
    of(page, scene.grid).get_by_role("radio", name="Show all in order").click()
    tiles = of(page, scene.grid).get_by_role("option")
    tiles.first.wait_for()
    assert tiles.count() < N
    tiles.nth(2).click()
    assert selected(page, scene.samples) == [2]
    tiles.nth(5).click(modifiers=["Shift"])
    assert selected(page, scene.samples) == [2, 5]


def test_the_table_sorts_filters_and_selects_on_its_own_axis(page, scene):
    view = of(page, scene.table)
    units = view.locator(".cw-tr > :nth-child(2)")
    expect(units).to_have_text(["1", "4", "2", "0", "3"])
    view.get_by_role("button", name="score").click()
    expect(units).to_have_text(["0", "2", "4", "1", "3"])
    view.get_by_role("searchbox").fill("conv1 score>0.4")
    view.get_by_text("2 of 5 units").wait_for()
    expect(units).to_have_text(["2", "1"])
    view.locator(".cw-tr").nth(1).click()
    assert selected(page, scene.units) == [1]
    assert selected(page, scene.samples) == []
    view.get_by_role("searchbox").fill("")
    view.get_by_role("grid").focus()
    page.keyboard.press("ArrowDown")
    assert selected(page, scene.units) == [3]
    page.keyboard.press("Shift+ArrowUp")
    assert selected(page, scene.units) == [1, 3]


def test_a_brush_on_the_histogram_selects_its_range(page, scene):
    canvas = of(page, scene.histogram).locator("canvas")
    drag(page, canvas, [(0.6, 0.5), (0.99, 0.5)])
    rows = selected(page, scene.samples)
    loss = np.asarray(scene.histogram._values)
    assert 0 < len(rows) < N
    assert loss[rows].min() >= np.delete(loss, rows).max()
    canvas.press("Escape")
    canvas.press("ArrowRight")
    canvas.press("Enter")
    rows = selected(page, scene.samples)
    assert loss[rows].max() < np.delete(loss, rows).min()


def test_the_tree_folds_and_picks(page, scene):
    view = of(page, scene.tree)
    items = view.get_by_role("treeitem")
    expect(items).to_have_count(5)
    view.get_by_role("treeitem", name="features.conv2").click()
    picked = page.evaluate("id => window.models[id].get('_picked')", scene.tree.model_id)
    assert picked == ["features.conv1", "features.conv2"]
    view.get_by_role("tree").focus()
    for key in ("Home", "ArrowLeft"):
        page.keyboard.press(key)
    view.get_by_role("treeitem", expanded=False).wait_for()
    expect(items).to_have_count(2)


def test_data_of_other_rows_is_never_drawn(page, scene):
    page.evaluate("id => window.models[id].set('digest', 'other')", scene.samples.model_id)
    for view in (scene.scatter, scene.histogram, scene.grid):
        of(page, view).get_by_text("about different samples").wait_for()
    assert of(page, scene.grid).get_by_role("option").count() == 0


def test_an_error_from_python_is_shown_under_the_view(page, scene):
    page.evaluate(
        "id => window.models[id].set('error', 'ValueError: k must lie in 1..5')",
        scene.scatter.model_id,
    )
    of(page, scene.scatter).get_by_text("ValueError: k must lie in 1..5").wait_for()


def test_cancel_is_counted_and_the_button_waits(browser):
    job = cw.Job(inline=True)
    view = cw.Progress(job)
    view._status = {**view._status, "state": "running", "fraction": 0.4, "message": "EM 4 of 10"}
    page = open_views(browser, [view])
    of(page, view).get_by_text("EM 4 of 10 · 40 %").wait_for()
    cancel = of(page, view).get_by_role("button", name="Cancel")
    cancel.click()
    assert cancel.is_disabled()
    assert page.evaluate("id => window.models[id].get('_cancels')", view.model_id) == 1
    assert page.strays == []
    page.context.close()


def test_taking_views_away_leaves_no_listener(page, scene):
    take_away(page)
    assert page.locator(".cw").count() == 0


LOOKS = {
    "views-light": {"dark": False, "width": 1200, "columns": "1fr 1fr"},
    "views-dark": {"dark": True, "width": 1200, "columns": "1fr 1fr"},
    "views-narrow": {"dark": False, "width": 320, "columns": "1fr"},
}


@pytest.mark.parametrize("name", LOOKS)
def test_views_fit_their_cell_in_light_dark_and_narrow(browser, scene, name):
    dark, width = LOOKS[name]["dark"], LOOKS[name]["width"]
    page = open_views(browser, everything(scene), **LOOKS[name])
    drag(page, of(page, scene.scatter).locator("canvas.cw-over"), LEFT)
    of(page, scene.table).locator(".cw-tr").nth(1).click()
    page.mouse.move(0, 0)
    drawn(page)
    snapshot(page, name)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = (
        of(page, scene.scatter).locator(".cw").evaluate("e => getComputedStyle(e).backgroundColor")
    )
    assert ground == ("rgb(22, 25, 29)" if dark else "rgb(255, 255, 255)")
    assert page.strays == []
    page.context.close()


def test_ten_thousand_points_are_painted_and_selected(browser):
    n = 30_000
    rng = np.random.default_rng(1)
    view = cw.Scatter(
        rng.normal(size=(n, 2)), index=Index.count(n), colors={"group": rng.integers(0, 300, n)}
    )
    page = open_views(browser, [view])
    canvas = of(page, view).locator("canvas.cw-over")
    page.wait_for_function(PAINTED, arg=of(page, view).locator("canvas").first.element_handle())
    drag(page, canvas, [(0.02, 0.01), (0.998, 0.01), (0.998, 0.95), (0.02, 0.95)])
    assert len(selected(page, view.link)) == n
    assert page.strays == []
    page.context.close()


def test_the_theme_of_jupyterlab_wins_over_the_system(page, scene):
    root = of(page, scene.histogram).locator(".cw")
    canvas = of(page, scene.histogram).locator("canvas")
    before = look(page, canvas)
    page.evaluate("""() => {
        const style = document.documentElement.style;
        style.setProperty("--jp-layout-color0", "rgb(1, 2, 3)");
        style.setProperty("--jp-ui-font-color0", "rgb(250, 250, 250)");
        document.body.setAttribute("data-jp-theme-light", "false");
    }""")
    assert root.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(1, 2, 3)"
    repainted(page, canvas, before)


def test_views_without_rows_say_so(browser):
    link = cw.Link(Index([], "sample"))
    views = [
        cw.Scatter(np.zeros((0, 2)), link=link),
        cw.Histogram(np.zeros(0), link=link),
        cw.ImageGrid(link=link, empty="Screen a layer first."),
        cw.Table(pd.DataFrame({"a": []}), link=link),
        cw.SiteTree([]),
    ]
    page = open_views(browser, views)
    for view in views[:2]:
        of(page, view).get_by_text("0 samples, none selected").wait_for()
    of(page, views[2]).get_by_text("Screen a layer first.").wait_for()
    of(page, views[4]).get_by_text("0 sites, none picked").wait_for()
    assert page.strays == []
    page.context.close()


def test_rows_without_pictures_are_cards_of_text(browser):
    grid = cw.ImageGrid(index=Index(["a", "b"]), labels=["def f(x):", "import os"])
    page = open_views(browser, [grid])
    expect(of(page, grid).locator(".cw-card")).to_have_text(["def f(x):", "import os"])
    of(page, grid).get_by_role("listbox").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert selected(page, grid.link) == [1]
    assert page.strays == []
    page.context.close()


def test_text_from_data_is_never_run_as_markup(browser):
    nasty = "<img src=x onerror=\"document.body.dataset.owned='yes'\">"
    link = cw.Link(Index([nasty]))
    views = [
        cw.Scatter([[0, 0]], link=link, colors={nasty: [nasty]}, title=nasty),
        cw.ImageGrid(link=link, labels=[nasty], caption=nasty),
        cw.Table(pd.DataFrame({nasty: [nasty]}), link=link),
    ]
    page = open_views(browser, views)
    of(page, views[0]).locator("canvas.cw-over").press("ArrowRight")
    expect(of(page, views[0]).locator(".cw-tip")).to_contain_text("onerror")
    assert page.locator("img").count() == 0
    assert page.evaluate("document.body.dataset.owned") is None
    page.context.close()


def test_views_without_anything_to_show_say_so(browser):
    link = cw.Link(Index([f"s{i}" for i in range(4)]))
    nowhere = np.full((4, 2), np.nan)
    units = cw.Link(Index.count(0, "unit"))
    empty = [
        cw.Scatter(nowhere, link=link),
        cw.Histogram(nowhere[:, 0], link=link),
        cw.Table(pd.DataFrame({"site": []}), link=units),
        cw.ImageGrid(link=link, order=(), empty="Screen a layer first."),
    ]
    with open_views(browser, empty) as page:
        for text in (
            "No sample has a place yet.",
            "No sample has a value yet.",
            "No units to show yet.",
            "Screen a layer first.",
        ):
            expect(page.get_by_text(text)).to_be_visible()


def test_cells_of_a_column_line_up_with_their_head(page, scene):
    table = of(page, scene.table)
    heads = [box_of(one) for one in table.get_by_role("columnheader").all()]
    for row in table.locator(".cw-sheet [role=row]").all():
        for head, cell in zip(heads, row.get_by_role("gridcell").all(), strict=True):
            box = box_of(cell)
            assert abs(box["x"] - head["x"]) < 2
            assert abs(box["width"] - head["width"]) < 2
