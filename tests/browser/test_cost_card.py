"""Cost card in a real browser: words, order, bars, keys, the link; a page of three views."""

import sys
from pathlib import Path

import ipywidgets
import numpy as np
import pytest
from static_page import drawn, of, open_views, snapshot, take_away
from static_scene import expect, selected

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway.model.card import CostCard

sys.path.append(str(Path(__file__).parents[1] / "widgets"))
from attributed import attributed
from mouse import box_of

pytestmark = pytest.mark.browser

SITES = ("", "conv1", "conv2", "fc")


def card(**changes):
    fields = {
        "model": "net", "data": "digits", "n": 1000, "batch_size": 256, "sites": SITES,
        "shapes": ((10,), (6, 28, 28), (16, 10, 10), (120,)), "dtype": "float32",
        "sizes": (40_000, 18_816_000, 6_400_000, 480_000), "limit": 100_000_000,
        "free": 5_000_000_000, "seconds": 1.23, "where": "acts",
        "parameters": (61_706, 156, 2416, 48_120), "macs": (416_520, 117_600, 240_000, 48_000),
    }  # fmt: skip
    return CostCard(**(fields | changes))


@pytest.fixture
def scene():
    link = cw.Link(Index([*SITES, "other"], "site"))
    grid = cw.ImageGrid(link=link, labels=["m", "1", "2", "f", "o"], mode="selected", height=100)
    return cw.CostCard(card(), link=link, title="Capture"), grid


def names(page, view):
    return of(page, view).locator(".cw-tr > .cw-at-order")


def test_the_whole_is_told_against_the_limit(page, scene):
    view = of(page, scene[0])
    expect(view.locator(".cw-row strong")).to_have_text("25.7 MB of 100.0 MB (26 %)")
    expect(view.get_by_role("meter")).to_have_attribute("aria-valuetext", "25.7 MB of 100.0 MB")
    share = view.locator(".cw-fill").evaluate("e => e.offsetWidth / e.parentElement.clientWidth")
    assert share == pytest.approx(0.257, abs=0.01)
    expect(view.locator(".cw-plan")).to_have_text(
        "net on 1,000 samples of digits, float32, into acts, 5.0 GB free; "
        "about 1.2 s in batches of 256"
    )
    expect(view.get_by_role("alert").filter(has_text="limit")).to_be_hidden()
    expect(view.locator(".cw-summary")).to_have_text("4 sites, 25.7 MB in all, none selected")


def test_lines_hold_the_numbers_and_bars_are_in_proportion(page, scene):
    view = of(page, scene[0])
    expect(view.locator(".cw-tr").nth(2).get_by_role("gridcell")).to_have_text(
        ["conv2", "16×10×10", "2.42 k", "240 k", "6.4 MB"]
    )
    bars = [box_of(one)["width"] for one in view.locator(".cw-share").all()]
    track = box_of(view.locator(".cw-track").first)["width"]
    assert bars[1] == pytest.approx(track, abs=1)
    assert bars[2] == pytest.approx(track * 6.4 / 18.816, abs=1)


def test_heads_sort_and_say_how(page, scene):
    view = of(page, scene[0])
    expect(names(page, scene[0])).to_have_text(["(model)", "conv1", "conv2", "fc"])
    view.get_by_role("button", name="bytes").click()
    expect(names(page, scene[0])).to_have_text(["conv1", "conv2", "fc", "(model)"])
    assert view.locator("[aria-sort=descending]").inner_text().startswith("bytes")
    view.get_by_role("button", name="bytes").press("Enter")
    expect(names(page, scene[0])).to_have_text(["(model)", "fc", "conv2", "conv1"])
    view.get_by_role("button", name="MACs").click()
    expect(names(page, scene[0])).to_have_text(["(model)", "conv2", "conv1", "fc"])
    view.get_by_role("button", name="site").click()
    expect(names(page, scene[0])).to_have_text(["(model)", "conv1", "conv2", "fc"])


def test_mouse_and_keys_select_sites_on_the_link(page, scene):
    view, grid = scene
    of(page, view).locator(".cw-tr").nth(2).click()
    assert selected(page, view.link) == [2]
    of(page, view).get_by_text("1 selected with 6.4 MB").wait_for()
    of(page, grid).get_by_role("option", name="site conv2").wait_for()
    of(page, view).locator(".cw-tr").nth(3).click(modifiers=["Shift"])
    assert selected(page, view.link) == [2, 3]
    table = of(page, view).get_by_role("grid")
    table.focus()
    for key in ("Home", "ArrowDown", "Enter"):
        table.press(key)
    assert selected(page, view.link) == [1]
    table.press("Escape")
    assert selected(page, view.link) == []
    of(page, view).locator(".cw-tr").nth(1).hover()
    assert page.evaluate("id => window.models[id].get('_hover')", view.link.model_id) == 1


def test_a_plan_that_does_not_fit_says_what_helps(browser):
    views = [
        cw.CostCard(card(limit=1_000_000, parameters=(), macs=())),
        cw.CostCard(card(free=1_000_000)),
        cw.CostCard(),
    ]
    page = open_views(browser, views)
    of(page, views[0]).get_by_text("over the limit: choose fewer sites or samples").wait_for()
    expect(of(page, views[0]).get_by_role("columnheader")).to_have_text(["site▴", "keeps", "bytes"])
    of(page, views[1]).get_by_text("more than the disk has free").wait_for()
    of(page, views[2]).get_by_text("Pick sites and data to see what capturing").wait_for()
    assert page.strays == []
    page.context.close()


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 1280), (False, 420)])
def test_looks(browser, scene, dark, width):
    page = open_views(browser, scene, dark=dark, width=width)
    of(page, scene[0]).locator(".cw-tr").nth(1).click()
    drawn(page)
    snapshot(page, f"cost-{'dark' if dark else 'light'}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    take_away(page)
    assert page.strays == []
    page.context.close()


def test_a_saved_page_of_strips_overlay_and_card_stays_linked(browser, tmp_path):
    ids = [f"s{i}" for i in range(6)]
    samples = cw.Link(Index(ids))
    maps = cw.FeatureMaps(
        np.random.default_rng(0).normal(size=(3, 6, 5, 5)), samples=ids, link=samples
    )
    box = ipywidgets.VBox(
        [maps, cw.AttributionOverlay(attributed(ids), link=samples), cw.CostCard(card())]
    )
    path = cw.export_html(box, tmp_path / "page.html", title="Saved")
    context = browser.new_context(offline=True)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda one: errors.append(one.text) if one.type == "error" else None)
    page.goto(path.as_uri())
    page.locator("#cutaway[data-ready=yes]").wait_for()
    page.locator(".cw-overlay [role=option]").nth(4).click()
    page.get_by_text("3 units × 6 samples; a scale a unit, in 255 steps; 1 sample").wait_for()
    page.locator(".cw-maps .cw-port").focus()
    page.keyboard.press("Enter")
    page.locator(".cw-overlay [role=option][aria-selected=true]").wait_for()
    chosen = page.locator(".cw-overlay [role=option][aria-selected=true]")
    assert chosen.get_attribute("aria-label").startswith("sample s0,")
    page.get_by_role("button", name="MACs").click()
    page.get_by_role("radio", name="Colours between the extremes of all tiles").click()
    page.get_by_text("one scale").wait_for()
    assert errors == []
    context.close()
