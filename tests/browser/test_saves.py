"""Save menus of linked views: tables and pictures; and many scatters on one page."""

import csv
import io

import ipywidgets
import numpy as np
import pytest
from PIL import Image
from static_page import drawn, of, open_views, snapshot
from static_scene import N, scene  # noqa: F401 - a fixture

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser


def save(page, view, item):
    """Take an item of a view's Save menu; its bytes."""
    of(page, view).get_by_role("button", name="Save this view").click()
    with page.expect_download() as waiting:
        of(page, view).get_by_role("menuitem", name=item).click()
    return waiting.value.path().read_bytes()


def table(page, view):
    return list(csv.DictReader(io.StringIO(save(page, view, "Table (CSV)").decode())))


@pytest.fixture
def page(browser, scene):  # noqa: F811 - the fixture
    scene.samples.select(["s003", "s161"])
    page = open_views(browser, [scene.scatter, scene.histogram, scene.grid], height=1400)
    page.cw = scene
    yield page
    assert page.strays == []
    page.context.close()


def test_a_scatter_saves_places_colours_and_the_selection(page):
    shown = page.cw
    rows = table(page, shown.scatter)
    assert [one["sample"] for one in rows] == shown.samples.index.ids.tolist()
    assert [one["sample"] for one in rows if one["selected"] == "1"] == ["s003", "s161"]
    points = shown.scatter._points
    for side, name in enumerate(("component 1", "component 2")):
        found = np.array([one[name] for one in rows], np.float32)
        np.testing.assert_array_equal(found, points[:, side])
    assert [one["cluster"] for one in rows] == ["main"] * 160 + ["small"] * 80
    assert float(rows[5]["loss (nats)"]) == pytest.approx(shown.histogram._values[5])


def test_a_histogram_saves_its_values(page):
    rows = table(page, page.cw.histogram)
    found = np.array([one["loss (nats)"] for one in rows], np.float32)
    np.testing.assert_array_equal(found, page.cw.histogram._values)
    assert sum(one["selected"] == "1" for one in rows) == 2


def test_a_grid_saves_what_it_shows(page):
    assert table(page, page.cw.grid) == [
        {"sample": "s003", "label": "3", "selected": "1"},
        {"sample": "s161", "label": "1", "selected": "1"},
    ]
    of(page, page.cw.grid).get_by_role("radio", name="Show all in order").click()
    assert len(table(page, page.cw.grid)) == N


def coloured(png):
    """Pixels of a picture that are neither grey nor nearly so."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    return int((pixels.max(axis=2) - pixels.min(axis=2) > 60).sum())


@pytest.mark.parametrize("engine", ["webgl", "pixels"])
def test_the_picture_of_a_scatter_holds_its_points(browser, engine):
    points = np.random.default_rng(0).normal(size=(400, 2))
    full = cw.Scatter(points, colors={"kind": ["a"] * 400}, engine=engine, title="Many")
    none = cw.Scatter(points * np.nan, colors={"kind": ["a"] * 400}, engine=engine, title="None")
    page = open_views(browser, [full, none], height=1000)
    expect(of(page, full).locator(f"[data-engine={engine}]")).to_be_visible()
    amounts = [coloured(save(page, one, "Picture (PNG)")) for one in (full, none)]
    assert amounts[0] > 2000
    assert amounts[1] < 100
    assert page.strays == []
    page.context.close()


@pytest.mark.parametrize("engine", ["auto", "webgl"])
def test_twenty_scatters_on_a_page_all_draw(browser, engine):
    """Browsers drop the oldest of about 16 WebGL contexts: the rest must be drawn otherwise."""
    rng = np.random.default_rng(0)
    link = cw.Link(Index.count(300))
    views = [
        cw.Scatter(
            rng.normal(size=(300, 2)), link=link, colors={"kind": ["a"] * 300}, engine=engine,
            title=f"Card {k}", height=220,
        )
        for k in range(20)
    ]  # fmt: skip
    page = open_views(browser, views, width=1280, columns="repeat(4, 1fr)")
    drawn(page)
    for one in views:
        assert coloured(of(page, one).locator(".cw-body").screenshot()) > 300, one.title
    used = [of(page, one).locator("[data-engine]").get_attribute("data-engine") for one in views]
    assert used.count("webgl") <= 12
    assert len(used) == 20
    snapshot(page, f"twenty-scatters-{engine}")
    assert page.strays == []
    page.context.close()


def test_the_menus_work_on_a_saved_page(browser, scene, tmp_path):  # noqa: F811 - the fixture
    file = cw.export_html(
        ipywidgets.VBox([scene.scatter, scene.histogram]), tmp_path / "page.html", title="Saved"
    )
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(file.as_uri())
    page.locator("#cutaway[data-ready=yes]").wait_for()
    page.locator(".cw-scatter").get_by_role("button", name="Save this view").click()
    with page.expect_download() as waiting:
        page.get_by_role("menuitem", name="Table (CSV)").first.click()
    assert len(waiting.value.path().read_text().splitlines()) == N + 1
    context.close()
