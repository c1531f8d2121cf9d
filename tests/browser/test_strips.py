"""Feature-map strips in a real browser: pixels, mouse, keys, both links, looks."""

import numpy as np
import pytest
from gallery import planted_atlas
from mouse import box_of, wheel
from static_page import drawn, of, open_views, snapshot, take_away
from static_scene import expect, look, repainted, selected

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway.model import Tiles

pytestmark = pytest.mark.browser

N_UNITS, N_SAMPLES = 30, 40


@pytest.fixture
def scene():
    """Tile (u, s) is flat with value 100 u + s; samples 0, 3, 6 … of 120 are shown."""
    flat = 100.0 * np.arange(N_UNITS)[:, None] + np.arange(N_SAMPLES)
    values = np.repeat(flat, 16).reshape(N_UNITS, N_SAMPLES, 4, 4).astype(np.float32)
    units = Index([f"conv2:{i}" for i in range(N_UNITS)], "unit")
    every = Index([f"s{i:03d}" for i in range(120)])
    samples = cw.Link(every, thumbnails=planted_atlas(120))
    shown = Tiles(values, units, every.take(np.arange(0, 120, 3)))
    view = cw.FeatureMaps(shown, link=samples, title="Feature maps", caption="conv2 · planted")
    return view, cw.ImageGrid(link=samples, mode="selected", height=100)


def place(page, view, row, column):
    """Middle of a tile, measured on the page: 48 px and 4 px apart behind the heads."""
    box = box_of(of(page, view).locator(".cw-port"))
    left = min(130, 16 + 6.4 * 8)
    x = left / 2 if column < 0 else left + 52 * column + 24
    y = 25 if row < 0 else 50 + 52 * row + 24
    return box["x"] + x, box["y"] + y


def pixel(page, view, at):
    box = box_of(of(page, view).locator("canvas.cw-under"))
    spot = [at[0] - box["x"], at[1] - box["y"]]
    return of(page, view).locator("canvas.cw-under").evaluate(
        "(c, [x, y]) => [...c.getContext('2d').getImageData(x * devicePixelRatio, "
        "y * devicePixelRatio, 1, 1).data]",
        spot,
    )  # fmt: skip


def test_tiles_have_the_colours_of_their_values(page, scene):
    view = scene[0]
    of(page, view).get_by_text("30 units × 40 samples").wait_for()
    first = pixel(page, view, place(page, view, 0, 0))
    assert first == [68, 1, 84, 255]  # the smallest of its unit: the dark end of viridis
    assert pixel(page, view, place(page, view, 3, 0)) == first
    canvas = of(page, view).locator("canvas.cw-under")
    before = look(page, canvas)
    of(page, view).get_by_role("radio", name="extremes of all").click()
    repainted(page, canvas, before)
    assert pixel(page, view, place(page, view, 3, 0)) != first
    of(page, view).get_by_text("one scale, 0 to 2,939").wait_for()


def test_a_click_selects_unit_and_sample_and_a_head_one_of_them(page, scene):
    view, grid = scene
    page.mouse.click(*place(page, view, 2, 4))
    assert selected(page, view.unit_link) == [2]
    assert selected(page, view.link) == [12]
    of(page, grid).get_by_role("option", name="sample s012").wait_for()
    of(page, view).get_by_text("1 unit and 1 sample selected").wait_for()
    page.keyboard.down("Shift")
    page.mouse.click(*place(page, view, -1, 5))
    page.keyboard.up("Shift")
    assert selected(page, view.link) == [12, 15]
    assert selected(page, view.unit_link) == [2]
    page.mouse.click(*place(page, view, 0, -1))
    assert selected(page, view.unit_link) == [0]
    assert selected(page, view.link) == [12, 15]


def test_hover_tells_the_numbers_and_points_in_other_views(page, scene):
    view = scene[0]
    page.mouse.move(*place(page, view, 1, 2))
    tip = of(page, view).locator(".cw-tip")
    expect(tip).to_have_text("unit conv2:1sample s006smallest 102mean 102largest 102")
    assert page.evaluate("id => window.models[id].get('_hover')", view.link.model_id) == 6
    assert page.evaluate("id => window.models[id].get('_hover')", view.unit_link.model_id) == 1
    picture = tip.locator("canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(20, 20, 1, 1).data]"
    )
    assert picture == [6, 249, 40, 255]
    page.mouse.move(1, 1)
    expect(tip).to_be_hidden()
    assert page.evaluate("id => window.models[id].get('_hover')", view.link.model_id) == -1


def test_keys_alone_reach_select_and_scroll_and_stay_in_the_view(page, scene):
    view = scene[0]
    page.evaluate(
        "() => { window.heard = [];"
        " document.addEventListener('keydown', (e) => window.heard.push(e.key)); }"
    )
    port = of(page, view).locator(".cw-port")
    port.focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        port.press(key)
    assert selected(page, view.unit_link) == [1]
    assert selected(page, view.link) == [3]
    port.press("End")
    port.press("Space")
    assert selected(page, view.link) == [117]
    assert port.evaluate("e => e.scrollLeft") > 1000
    assert "s117" in of(page, view).locator(".cw-tip").inner_text()
    port.press("Home")
    port.press("Enter")
    assert selected(page, view.link) == [117]
    port.press("Escape")
    assert selected(page, view.link) == []
    assert selected(page, view.unit_link) == []
    assert page.evaluate("window.heard") == []


def test_scrolled_tiles_are_found_under_the_pointer(page, scene):
    view = scene[0]
    port = of(page, view).locator(".cw-port")
    wheel(port, 520, 260)
    page.wait_for_function(
        "e => e.scrollTop === 520 && e.scrollLeft === 260", arg=port.element_handle()
    )
    page.mouse.click(*place(page, view, 1, 1))
    assert selected(page, view.unit_link) == [11]
    assert selected(page, view.link) == [18]


def test_rows_of_other_units_are_never_drawn(page, scene):
    view = scene[0]
    page.evaluate("id => window.models[id].set('digest', 'other')", view.unit_link.model_id)
    of(page, view).get_by_text("about different units").wait_for()


def test_the_empty_state_says_what_to_do(browser):
    link = cw.Link(Index(["a", "b"]))
    views = [cw.FeatureMaps(link=link), cw.FeatureMaps(link=link, empty="Pick a layer first.")]
    page = open_views(browser, views)
    of(page, views[0]).get_by_text("Select samples to see their feature maps.").wait_for()
    of(page, views[1]).get_by_text("Pick a layer first.").wait_for()
    assert page.strays == []
    page.context.close()


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 1280), (False, 420)])
def test_looks(browser, scene, dark, width):
    page = open_views(browser, scene, dark=dark, width=width)
    page.mouse.click(*place(page, scene[0], 1, 2))
    drawn(page)
    snapshot(page, f"strips-{'dark' if dark else 'light'}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    take_away(page)
    assert page.strays == []
    page.context.close()
