"""Bars in a real browser: the slider over steps, lengths, ticks, keys, both links."""

import numpy as np
import pytest
from static_page import drawn, of, open_views, snapshot, take_away
from static_scene import expect, selected

import cutaway_widgets as cw
from cutaway.core import Index

pytestmark = pytest.mark.browser

LAYERS = Index(["conv1", "conv2", "fc1"], "layer")
BETAS = Index(["0.01", "0.1", "0.3"], "beta")
LEFT = np.array([[6, 16, 120], [6, 12, 60], [3, np.nan, 12]])


@pytest.fixture
def scene():
    layers, betas = cw.Link(LAYERS), cw.Link(BETAS)
    bars = cw.Bars(
        LEFT, whole=[6, 16, 120], link=layers, step_link=betas, marks=[6, 8, np.nan],
        mark="at random initialisation", details=["closest 0.22", "closest 0.24", "closest 0.1"],
        notes=["Nothing merges.", "Some merge.", "Most merge."], title="Features left",
    )  # fmt: skip
    lines = cw.LineChart(
        {"left": LEFT[:, 0] / 6, "kept": [1, 0.5, 0.1]}, [0.01, 0.1, 0.3], link=betas, follow=True,
        x_label="beta", log_x=True, title="Whole",
    )  # fmt: skip
    return bars, lines


@pytest.fixture
def page(browser, scene):
    page = open_views(browser, scene)
    yield page
    assert page.strays == []
    page.context.close()


def widths(page, view):
    """Part of its track that each bar fills."""
    fills = of(page, view).locator(".cw-bars-fill")
    return fills.evaluate_all("all => all.map(e => e.offsetWidth / e.parentElement.clientWidth)")


def test_bars_are_in_proportion_and_ticks_in_place(page, scene):
    view = of(page, scene[0])
    assert widths(page, scene[0]) == pytest.approx([1, 1, 1], abs=0.01)
    expect(view.locator(".cw-bars-amount")).to_have_text(["6 of 6", "16 of 16", "120 of 120"])
    expect(view.locator(".cw-bars-note")).to_have_text("Nothing merges.")
    expect(view.locator(".cw-bars-mark")).to_have_count(2)
    track = view.locator(".cw-bars-track").nth(1).bounding_box()
    tick = view.locator(".cw-bars-mark").nth(1).bounding_box()
    middle = tick["x"] + tick["width"] / 2
    assert middle == pytest.approx(track["x"] + track["width"] / 2, abs=2)
    expect(view.locator(".cw-summary")).to_have_text("3 layers at beta 0.01, none selected")


def test_the_slider_moves_bars_and_the_chart_without_a_kernel(page, scene):
    bars, lines = scene
    slider = of(page, bars).get_by_role("slider")
    slider.press("ArrowRight")
    assert selected(page, bars.step_link) == [1]
    expect(of(page, bars).locator(".cw-bars-amount")).to_have_text(
        ["6 of 6", "12 of 16", "60 of 120"]
    )
    assert widths(page, bars)[1:] == pytest.approx([0.75, 0.5], abs=0.01)
    expect(of(page, bars).locator(".cw-bars-note")).to_have_text("Some merge.")
    assert slider.get_attribute("aria-valuetext") == "beta 0.1"
    expect(of(page, lines).locator(".cw-summary")).to_contain_text("cursor at beta 0.1000, left: 1")
    slider.press("End")
    expect(of(page, bars).locator(".cw-bars-amount")).to_have_text(
        ["3 of 6", "– of 16", "12 of 120"]
    )
    expect(of(page, bars).locator(".cw-bars-fill").nth(1)).to_be_hidden()


def test_the_chart_moves_the_slider(page, scene):
    bars, lines = scene
    cursor = of(page, lines).get_by_role("slider")
    cursor.press("End")
    assert selected(page, bars.step_link) == [2]
    expect(of(page, bars).locator(".cw-bars-note")).to_have_text("Most merge.")
    cursor.press("ArrowLeft")
    assert selected(page, bars.step_link) == [1]
    box = cursor.bounding_box()
    page.mouse.click(box["x"] + 70, box["y"] + 60)
    assert selected(page, bars.step_link) == [0]
    assert page.evaluate("id => window.models[id].get('cursor')", lines.model_id) is None
    cursor.press("Delete")
    assert selected(page, bars.step_link) == []


def test_mouse_and_keys_select_rows(page, scene):
    view = scene[0]
    of(page, view).get_by_role("option").nth(2).click()
    assert selected(page, view.link) == [2]
    expect(of(page, view).locator(".cw-summary")).to_contain_text("1 selected (fc1: 120 of 120)")
    of(page, view).get_by_role("option").nth(0).click(modifiers=["Shift"])
    assert selected(page, view.link) == [0, 2]
    rows = of(page, view).get_by_role("listbox")
    rows.focus()
    for key in ("Home", "ArrowDown", "Enter"):
        rows.press(key)
    assert selected(page, view.link) == [1]
    rows.press("Escape")
    assert selected(page, view.link) == []
    name = "conv2 16 of 16 at random initialisation: 8 closest 0.24"
    of(page, view).get_by_role("option", name=name).wait_for()


def test_other_steps_than_those_of_the_link_are_refused(page, scene):
    view = scene[0]
    page.evaluate("id => window.models[id].set('_step_digest', 'x')", view.model_id)
    of(page, view).get_by_text("their steps are about different betas").wait_for()


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 1280), (False, 420)])
def test_looks(browser, scene, dark, width):
    twice = cw.Bars(
        {"lenet5-digits": LEFT, "epoch 3": LEFT[::-1]}, whole=[6, 16, 120], index=LAYERS,
        steps=BETAS, title="Two models",
    )  # fmt: skip
    page = open_views(browser, [*scene, twice], dark=dark, width=width)
    of(page, scene[0]).get_by_role("option").nth(1).click()
    of(page, scene[0]).get_by_role("slider").press("ArrowRight")
    drawn(page)
    snapshot(page, f"bars-{'dark' if dark else 'light'}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    take_away(page)
    assert page.strays == []
    page.context.close()
