"""The line chart in a real browser: its cursor by mouse and keys, rows by range, no kernel."""

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

N = 26


def film():
    """Losses over 26 epochs, each a row; the test loss is missing at epochs 10 and 11."""
    epochs = np.arange(N)
    train = 2.3 * np.exp(-epochs / 6)
    test = train + 0.002 * epochs**1.6 + 0.05
    test[10:12] = np.nan
    link = cw.Link(Index([f"epoch-{i:02d}" for i in range(N)], "epoch"))
    chart = cw.LineChart(
        {"train": train, "test": test},
        epochs,
        bands={"test": (test - 0.1, test + 0.15)},
        x_label="epoch",
        y_label="loss",
        unit="nats",
        cursor=5,
        link=link,
        title="Overfitting film",
    )
    return chart, cw.Table(pd.DataFrame({"epoch": link.index.ids}), link=link, height=160)


@pytest.fixture
def page(browser):
    views = film()
    page = open_views(browser, list(views))
    page.cw = views
    page.wait_for_function(PAINTED, arg=of(page, views[0]).locator("canvas").first.element_handle())
    yield page
    assert page.strays == []
    page.context.close()


def cursor(page, view):
    return page.evaluate("id => window.models[id].get('cursor')", view.model_id)


def test_keys_move_the_cursor_and_python_hears_the_last_place(page):
    chart, _ = page.cw
    slider = of(page, chart).get_by_role("slider")
    slider.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    assert cursor(page, chart) == 6
    expect(slider).to_have_attribute("aria-valuenow", "6")
    expect(slider).to_have_attribute(
        "aria-valuetext", "epoch 6, train: 0.8461 nats, test: 0.9313 nats"
    )
    # At once where the keys follow quickly; between them where the machine is slow.
    page.wait_for_function("id => window.models[id].saved >= 1", arg=chart.model_id)
    page.keyboard.press("End")
    assert cursor(page, chart) == N - 1
    page.keyboard.press("Delete")
    assert cursor(page, chart) is None
    expect(of(page, chart).locator(".cw-summary")).to_contain_text("click to place the cursor")
    page.keyboard.press("ArrowRight")
    assert cursor(page, chart) == 0


def test_the_cursor_is_dragged_from_place_to_place(page):
    chart, _ = page.cw
    canvas = of(page, chart).locator("canvas.cw-over")
    box = box_of(canvas)
    # From where the cursor stands: the pointer says so by its shape.
    x = next(
        x
        for x in np.arange(0.1, 0.5, 0.004)
        if page.mouse.move(box["x"] + x * box["width"], box["y"] + 80) is None
        and canvas.evaluate("c => c.style.cursor") == "ew-resize"
    )
    drag(page, canvas, [(x + 0.005, 0.4), (0.97, 0.6)])
    assert cursor(page, chart) == N - 1
    assert selected(page, chart.link) == []


def test_a_dragged_range_selects_its_rows_and_the_table_follows(page):
    chart, table = page.cw
    canvas = of(page, chart).locator("canvas.cw-over")
    before = look(page, of(page, chart).locator("canvas").first)
    drag(page, canvas, [(0.6, 0.4), (0.99, 0.6)])
    rows = selected(page, chart.link)
    assert rows == list(range(rows[0], N))
    assert 8 < len(rows) < 14
    assert cursor(page, chart) == 5
    repainted(page, of(page, chart).locator("canvas").first, before)
    of(page, table).get_by_text(f"{len(rows)} selected").wait_for()
    page.keyboard.press("Escape")
    assert selected(page, chart.link) == []
    page.keyboard.press("Enter")
    assert selected(page, chart.link) == [5]
    page.keyboard.press("Shift+ArrowRight")
    assert selected(page, chart.link) == [5, 6]
    of(page, table).locator(".cw-tr", has_text="epoch-07").click()
    assert selected(page, chart.link) == [7]


def test_hover_reads_every_series_and_is_shared(page):
    chart, _ = page.cw
    box = box_of(of(page, chart).locator("canvas.cw-over"))
    page.mouse.move(box["x"] + 0.99 * box["width"] - 8, box["y"] + 60)
    tip = of(page, chart).locator(".cw-tip")
    expect(tip).to_contain_text("epoch 25")
    expect(tip).to_contain_text("train: ")
    expect(tip).to_contain_text("test: ")
    hover = page.evaluate("id => window.models[id].get('_hover')", chart.link.model_id)
    assert hover == N - 1


def test_the_legend_hides_and_shows_series(page):
    chart, _ = page.cw
    canvas = of(page, chart).locator("canvas").first
    before = look(page, canvas)
    key = of(page, chart).get_by_role("button", name="train")
    key.click()
    repainted(page, canvas, before)
    expect(key).to_have_attribute("aria-pressed", "false")
    expect(key).to_be_focused()
    assert page.evaluate("id => window.models[id].get('hidden')", chart.model_id) == ["train"]
    of(page, chart).get_by_role("button", name="test").click()
    of(page, chart).get_by_text("All series are hidden.").wait_for()
    key.click()
    of(page, chart).get_by_role("button", name="test").click()
    page.wait_for_function(
        "([c, old]) => c.toDataURL() === old", arg=[canvas.element_handle(), before]
    )


def test_without_a_link_a_drag_anywhere_moves_the_cursor(browser):
    chart = cw.LineChart({"bic": [9.0, 4, 3, 5]}, [1, 2, 4, 8], log_x=True, x_label="k")
    page = open_views(browser, [chart])
    canvas = of(page, chart).locator("canvas.cw-over")
    page.wait_for_function(PAINTED, arg=of(page, chart).locator("canvas").first.element_handle())
    drag(page, canvas, [(0.2, 0.4), (0.62, 0.5)])
    assert cursor(page, chart) == 4
    expect(of(page, chart).locator(".cw-summary")).to_contain_text("cursor at k 4, bic: 3")
    assert page.strays == []
    page.context.close()


def test_nothing_to_show_is_said(browser):
    charts = [
        cw.LineChart({}),
        cw.LineChart({"a": [np.nan, np.nan]}),
        cw.LineChart({"a": [-1.0, 0.0]}, log_y=True),
    ]
    page = open_views(browser, charts)
    of(page, charts[0]).get_by_text("No values to draw yet.").wait_for()
    of(page, charts[1]).get_by_text("No values to draw yet.").wait_for()
    of(page, charts[2]).get_by_text("No value above zero").wait_for()
    assert page.strays == []
    page.context.close()


@pytest.mark.parametrize(("name", "dark", "width"), [("light", False, 900), ("dark", True, 420)])
def test_pictures(browser, name, dark, width):
    chart, _ = film()
    rng = np.random.default_rng(0)
    many = cw.LineChart(
        {f"seed {i}": rng.gamma(2, 1, 40).cumsum() ** (1 + i / 4) for i in range(6)},
        log_y=True,
        x_label="step",
        y_label="distance",
        unit="°",
        title="Six series, logarithmic",
    )
    page = open_views(browser, [chart, many], dark=dark, width=width)
    page.wait_for_function(PAINTED, arg=of(page, many).locator("canvas").first.element_handle())
    drag(page, of(page, chart).locator("canvas.cw-over"), [(0.6, 0.4), (0.8, 0.6)])
    box = box_of(of(page, chart).locator("canvas.cw-over"))
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
    drawn(page)
    snapshot(page, f"line-chart-{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.strays == []
    page.context.close()
