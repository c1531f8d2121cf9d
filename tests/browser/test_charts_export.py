"""Heat-map, line chart, dendrogram and token text together: on one page and saved to one file."""

import axe
import ipywidgets
import numpy as np
import pandas as pd
import pytest
from mouse import box_of
from static_page import of, open_views, snapshot, take_away
from static_scene import selected

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser

N, K = 8, 5
NASTY = "<img src=x onerror=\"document.body.dataset.owned='yes'\">"


def views(text="kept"):
    """Five units and eight texts; every name on the page holds `text`."""
    units = cw.Link(Index([f"{text} u{i}" for i in range(K)], "unit"))
    texts = cw.Link(Index([f"{text} t{i}" for i in range(N)], "text"))
    rng = np.random.default_rng(0)
    return [
        cw.HeatMap(
            rng.normal(size=(K, N)), row_link=units, link=texts, name=text, unit=text, title=text
        ),
        cw.LineChart(
            {f"{text} a": [3.0, 2, 4, 1, 2], f"{text} b": [1.0, 2, 3, 4, 5]},
            link=units,
            x_label=text,
            cursor=2,
            title=text,
        ),
        cw.Dendrogram(
            [(0, 1, 0.2), (2, 3, 0.3), (5, 6, 1.0), (7, 4, 2.0)], link=units, cut=0.5, title=text
        ),
        cw.TokenText(
            [[text, " of ", str(i)] for i in range(N)],
            rng.normal(size=(N, 3)),
            link=texts,
            labels=[text] * N,
            diverging=True,
            title=text,
        ),
        cw.Table(pd.DataFrame({"name": units.index.ids}), link=units, height=160),
    ]


@pytest.fixture
def page(browser):
    shown = views()
    page = open_views(browser, shown, height=1600)
    page.cw = shown
    of(page, shown[3]).locator(".cw-token").first.wait_for()
    yield page
    assert page.strays == []
    page.context.close()


def test_a_branch_a_row_and_a_place_are_the_same_units(page):
    _, chart, tree, _, table = page.cw
    of(page, tree).locator("canvas.cw-over").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    # Down from the root: (0, 1, 2, 3), then its left child (0, 1).
    assert selected(page, tree.link) == [0, 1]
    expect(of(page, chart).locator(".cw-summary")).to_contain_text("2 units selected")
    expect(of(page, page.cw[0]).locator(".cw-summary")).to_contain_text("2 units selected")
    of(page, table).get_by_text("5 units, 2 selected").wait_for()


def test_a_text_is_a_column_of_the_heat_map(page):
    heat, _, _, text, _ = page.cw
    of(page, text).locator(".cw-passage-head").nth(2).click()
    expect(of(page, heat).locator(".cw-summary")).to_contain_text("1 text selected")
    assert selected(page, heat.row_link) == []


def test_no_style_of_one_view_reaches_another(page):
    """The classes of the table are its own: its head stands above its rows."""
    table = of(page, page.cw[4])
    head = box_of(table.locator(".cw-header"))
    first = box_of(table.locator(".cw-tr").first)
    assert head["height"] > 20
    assert first["y"] >= head["y"] + head["height"] - 1


def test_no_serious_finding_of_the_accessibility_rules(browser):
    for dark in (False, True):
        shown = views()
        page = open_views(browser, shown, dark=dark, height=1600)
        of(page, shown[3]).locator(".cw-token").nth(1).click()
        axe.bring(page)
        assert axe.wrong(page, "body") == []
        page.context.close()


def test_taking_the_views_away_leaves_no_listener(page):
    take_away(page)


def test_text_from_data_is_never_run_as_markup(browser):
    shown = views(NASTY)
    page = open_views(browser, shown, height=1600)
    of(page, shown[3]).locator(".cw-token").first.hover()
    of(page, shown[0]).locator("canvas.cw-over").press("ArrowRight")
    expect(of(page, shown[0]).locator(".cw-tip")).to_contain_text("onerror")
    of(page, shown[2]).locator("canvas.cw-over").press("ArrowUp")
    of(page, shown[1]).locator("canvas.cw-over").press("ArrowRight")
    assert page.locator("img").count() == 0
    assert page.evaluate("document.body.dataset.owned") is None
    assert page.strays == []
    page.context.close()


def test_data_of_other_rows_is_never_drawn(page):
    units, texts = page.cw[1].link, page.cw[3].link
    for link in (units, texts):
        page.evaluate("id => window.models[id].set('digest', 'other')", link.model_id)
    for view in page.cw[:3]:
        of(page, view).get_by_text("about different").wait_for()
    of(page, page.cw[3]).get_by_text("about different texts").wait_for()
    assert of(page, page.cw[3]).get_by_role("option").count() == 0


def test_they_work_on_a_saved_page_without_network(browser, tmp_path):
    file = cw.export_html(ipywidgets.VBox(views()), tmp_path / "page.html", title="Charts")
    context = browser.new_context(viewport={"width": 900, "height": 1000})
    context.set_offline(True)
    page = context.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda one: wrong.append(one.text) if one.type == "error" else None)
    page.on("request", lambda one: wrong.append(one.url) if "http" in one.url[:5] else None)
    page.goto(file.as_uri())
    page.locator("#cutaway[data-ready=yes]").wait_for()
    said = {
        kind: page.locator(f".cw-{kind} .cw-summary") for kind in ("heat-map", "lines", "table")
    }
    cut = page.locator(".cw-dendrogram [role=slider]")
    cut.focus()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".cw-dendrogram .cw-summary")).to_contain_text("2 clusters, largest 4")
    page.locator(".cw-lines [role=slider]").focus()
    page.keyboard.press("ArrowRight")
    expect(said["lines"]).to_contain_text("cursor at kept 3, kept a: 1, kept b: 4")
    page.keyboard.press("Enter")
    expect(said["heat-map"]).to_contain_text("1 unit selected")
    expect(said["table"]).to_contain_text("1 selected")
    page.locator(".cw-passage-head").nth(1).click()
    expect(said["heat-map"]).to_contain_text("1 unit and 1 text selected")
    snapshot(page, "charts-export")
    assert wrong == []
    context.close()


def test_a_dark_saved_page_has_dark_grounds_under_its_texts(browser, tmp_path):
    text = cw.TokenText([["low", "high"]], [[0.0, 1.0]])
    path = cw.export_html(text, tmp_path / "text.html")
    context = browser.new_context(offline=True, color_scheme="dark")
    page = context.new_page()
    page.goto(path.as_uri())
    low = page.locator(".cw-token").first
    # The page draws its views before they are in it; the theme is known only then.
    ground = low.evaluate("e => getComputedStyle(e).backgroundColor.match(/[0-9]+/g).map(Number)")
    assert max(ground) < 80
    context.close()
