"""The dendrogram in a real browser: branches, the cut by mouse and keys, no kernel."""

import numpy as np
import pandas as pd
import pytest
from mouse import box_of, drag
from scipy.cluster.hierarchy import fcluster, linkage
from static_page import drawn, of, open_views, snapshot
from static_scene import PAINTED, selected

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser

N = 24


def planted():
    """Three groups of 8 units, far apart: merges within stay below 1, between above 5."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 0.5, (N, 2)) + np.repeat([[0, 0], [10, 0], [0, 20]], 8, axis=0)
    merges = linkage(points, "average")
    link = cw.Link(Index([f"conv1:{i}" for i in range(N)], "unit"))
    view = cw.Dendrogram(merges, link=link, cut=3.0, title="Units by angle", unit="°")
    return view, cw.Table(pd.DataFrame({"unit": link.index.ids}), link=link, height=160), merges


@pytest.fixture
def page(browser):
    view, table, merges = planted()
    page = open_views(browser, [view, table])
    page.cw = view, table, merges
    page.wait_for_function(PAINTED, arg=of(page, view).locator("canvas").first.element_handle())
    yield page
    assert page.strays == []
    page.context.close()


def cut(page, view):
    return page.evaluate("id => window.models[id].get('cut')", view.model_id)


def test_the_summary_tells_the_clusters(page):
    view, _, _ = page.cw
    expect(of(page, view).locator(".cw-summary")).to_have_text(
        "24 units, cut 3 °: 3 clusters, largest 8 of 24 units, none selected"
    )


def test_a_click_on_a_branch_selects_its_leaves(page):
    view, table, _ = page.cw
    canvas = of(page, view).locator("canvas.cw-over")
    box = box_of(canvas)
    # The clusters' stems rise from below the cut far above it: cross them from the left.
    found = []
    for fx in np.arange(0.08, 0.96, 0.008):
        page.mouse.move(box["x"] + fx * box["width"], box["y"] + 0.55 * box["height"])
        tip = of(page, view).locator(".cw-tip")
        if tip.is_visible() and "8 units" in tip.inner_text():
            page.mouse.down()
            page.mouse.up()
            rows = selected(page, view.link)
            if rows not in found:
                found.append(rows)
    assert sorted(found) == [list(range(k, k + 8)) for k in (0, 8, 16)]
    of(page, table).get_by_text("8 selected").wait_for()


def test_keys_walk_the_tree_and_select(page):
    view, _, _ = page.cw
    canvas = of(page, view).locator("canvas.cw-over")
    canvas.focus()
    page.keyboard.press("ArrowDown")
    expect(of(page, view).locator(".cw-tip")).to_contain_text("24 units")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    left = selected(page, view.link)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+Enter")
    assert selected(page, view.link) == list(range(N))
    assert len(left) in (8, 16)
    page.keyboard.press("Escape")
    assert selected(page, view.link) == []


def test_the_cut_moves_by_keys_from_number_to_number_of_clusters(page):
    view, _, merges = page.cw
    handle = of(page, view).get_by_role("slider")
    handle.focus()
    for k in (2, 1):
        page.keyboard.press("ArrowUp")
        assert len(set(fcluster(merges, cut(page, view), "distance"))) == k
    # Summary and handle are drawn in a later frame; they say the same.
    page.wait_for_function(
        """id => {
          const view = document.querySelector(`#view-${id}`);
          const text = view.querySelector(".cw-summary").textContent;
          const said = text.replace(/, none selected$/, "");
          const handle = view.querySelector("[role=slider]").getAttribute("aria-valuetext");
          return handle && said.endsWith(`, ${handle}`) && handle.includes("1 cluster");
        }""",
        arg=view.model_id,
    )
    for k in (2, 3, 4, 5):
        page.keyboard.press("ArrowDown")
        assert len(set(fcluster(merges, cut(page, view), "distance"))) == k
    page.wait_for_function("id => window.models[id].saved >= 1", arg=view.model_id)
    page.keyboard.press("Delete")
    assert cut(page, view) is None
    expect(of(page, view).locator(".cw-summary")).to_contain_text("no cut, 1 tree")


def test_the_cut_is_dragged_by_its_handle_and_by_its_line(page):
    view, _, _ = page.cw
    handle = box_of(of(page, view).get_by_role("slider"))
    x, y = handle["x"] + 8, handle["y"] + 8
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 40, steps=4)
    page.mouse.up()
    higher = cut(page, view)
    assert higher > 3.5
    page.mouse.move(x - 300, y - 40)
    page.mouse.down()
    page.mouse.move(x - 300, y - 60, steps=4)
    page.mouse.up()
    assert cut(page, view) > higher
    assert selected(page, view.link) == []


def test_a_dragged_range_selects_the_leaves_in_it(page):
    view, _, _ = page.cw
    drag(page, of(page, view).locator("canvas.cw-over"), [(0.04, 0.9), (0.99, 0.95)])
    assert selected(page, view.link) == list(range(N))


def test_nothing_to_show_is_said(browser):
    view = cw.Dendrogram([], index=Index.count(3, "unit"))
    page = open_views(browser, [view])
    of(page, view).get_by_text("No merges of units to show yet.").wait_for()
    assert page.strays == []
    page.context.close()


@pytest.mark.parametrize(("name", "dark", "width"), [("light", False, 900), ("dark", True, 420)])
def test_pictures(browser, name, dark, width):
    view, _, _ = planted()
    rng = np.random.default_rng(1)
    many = cw.Dendrogram(linkage(rng.normal(size=(300, 3)), "ward"), cut=8.0, title="300 units")
    forest = cw.Dendrogram(
        [(0, 3, 0.5), (1, 4, 1.0), (6, 5, 1.5)],
        index=Index([f"head {i}" for i in range(7)], "head"),
        cut=0.7,
        title="A forest",
        height=200,
    )
    page = open_views(browser, [view, many, forest], dark=dark, width=width, height=1100)
    page.wait_for_function(PAINTED, arg=of(page, many).locator("canvas").first.element_handle())
    drag(page, of(page, many).locator("canvas.cw-over"), [(0.3, 0.9), (0.5, 0.95)])
    of(page, view).locator("canvas.cw-over").focus()
    for key in ("ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    drawn(page)
    snapshot(page, f"dendrogram-{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.strays == []
    page.context.close()
