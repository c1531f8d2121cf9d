"""Attribution overlay in a real browser: pixels of each layer, switches, keys, the link."""

import sys
from pathlib import Path

import numpy as np
import pytest
from static_page import drawn, of, open_views, snapshot, take_away
from static_scene import expect, selected

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway.data import load_data

sys.path.append(str(Path(__file__).parents[1] / "widgets"))
from attributed import attributed
from mouse import box_of, wheel

pytestmark = pytest.mark.browser

N = 60


@pytest.fixture
def scene():
    """White pictures; 30 of 60 samples attributed: blue in the left half, orange in the right."""
    ids = [f"s{i:02d}" for i in range(N)]
    data = load_data(np.full((N, 8, 8), 255, np.uint8), ids=ids, name="planted")
    link = cw.Link(Index(ids))
    view = cw.AttributionOverlay(attributed(ids[::2]), data=data, link=link, opacity=1.0)
    return view, cw.ImageGrid(link=link, height=120)


def tiles(page, view):
    return of(page, view).get_by_role("option")


def pixel(tile, x):
    return tile.locator("canvas").evaluate(
        "(c, x) => [...c.getContext('2d').getImageData(x * c.width, 10, 1, 1).data]", x
    )


def painted(page, view, x, colour, place=0):
    page.wait_for_function(
        "([id, place, x, colour]) => { const c = document.querySelectorAll("
        "`#view-${id} [role=option] canvas`)[place]; return c && "
        "[...c.getContext('2d').getImageData(x * c.width, 10, 1, 1).data]"
        ".every((one, i) => Math.abs(one - colour[i]) < 3); }",
        arg=[view.model_id, place, x, [*colour, 255]],
    )


def test_each_layer_draws_what_it_says(page, scene):
    view = scene[0]
    painted(page, view, 0.25, [0, 114, 178])  # the largest, at full opacity: nothing shines through
    dim = round(255 * 0.55)
    half = [round((213 + dim) / 2), round((94 + dim) / 2), round(dim / 2)]
    painted(page, view, 0.75, half)
    of(page, view).get_by_role("radio", name="The picture alone").click()
    painted(page, view, 0.25, [255, 255, 255])
    expect(of(page, view).locator(".cw-legend")).to_be_hidden()
    of(page, view).get_by_role("radio", name="The attribution alone").click()
    painted(page, view, 0.25, [0, 114, 178])
    painted(page, view, 0.75, [(246 + 213) // 2, (246 + 94) // 2, 246 // 2])


def test_a_shared_scale_makes_weak_samples_pale(page, scene):
    view = scene[0]
    of(page, view).get_by_role("radio", name="The attribution alone").click()
    painted(page, view, 0.25, [0, 114, 178], place=4)
    of(page, view).get_by_role("radio", name="largest size in all samples").click()
    painted(page, view, 0.25, [round(246 + 5 / 30 * (c - 246)) for c in (0, 114, 178)], place=4)
    expect(of(page, view).locator(".cw-legend")).to_contain_text("against −30")


def test_the_slider_lets_the_picture_through_and_keeps_its_keys(page, scene):
    view = scene[0]
    slider = of(page, view).get_by_role("slider", name="Opacity")
    slider.focus()
    slider.press("Home")
    painted(page, view, 0.25, [round(255 * 0.55)] * 3)
    assert page.evaluate("id => window.models[id].get('opacity')", view.model_id) == 0
    assert page.evaluate("id => window.models[id].saved", view.model_id) > 0
    assert selected(page, view.link) == []
    of(page, view).get_by_role("radio", name="The picture alone").click()
    expect(slider).to_be_disabled()


def test_clicks_select_on_the_link_and_selected_are_shown_alone(page, scene):
    view = scene[0]
    tiles(page, view).nth(2).click()
    assert selected(page, view.link) == [4]
    tiles(page, view).nth(3).click(modifiers=["Shift"])
    assert selected(page, view.link) == [4, 6]
    of(page, view).get_by_role("radio", name="selected only").click()
    expect(tiles(page, view)).to_have_count(2)
    of(page, view).get_by_text("2 samples shown, 2 selected").wait_for()
    of(page, view).get_by_role("listbox").press("Escape")
    of(page, view).get_by_text("Select attributed samples in another view").wait_for()


def test_keys_alone_reach_and_select_and_stay_in_the_view(page, scene):
    view = scene[0]
    page.evaluate(
        "() => { window.heard = [];"
        " document.addEventListener('keydown', (e) => window.heard.push(e.key)); }"
    )
    box = of(page, view).get_by_role("listbox")
    box.focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        box.press(key)
    assert selected(page, view.link) == [2]
    box.press("End")
    box.press(" ")
    assert selected(page, view.link) == [58]
    active = box.get_attribute("aria-activedescendant")
    label = page.locator(f"#{active}").get_attribute("aria-label")
    assert label == "sample s58, 9 · 29.5, target 9, score 29.50, sum of shares −480, off by 0.2500"
    assert page.evaluate("window.heard") == []


def test_hover_reads_the_pixel_and_points_in_other_views(page, scene):
    view, grid = scene
    tile = tiles(page, view).nth(1)
    box = box_of(tile.locator("canvas"))
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.3 * box["height"], steps=3)
    tip = of(page, view).locator(".cw-tip")
    expect(tip).to_contain_text("sample s02target 1, score 1.500")
    expect(tip).to_contain_text("row 2, column 7: ")
    shown = tip.inner_text().splitlines()[-1]
    assert shown.startswith("row 2, column 7: ")
    assert abs(float(shown.rpartition(" ")[2]) - 1.0) <= 2 / 254 + 1e-4
    expect(of(page, grid).locator(".cw-hover")).to_have_attribute("aria-label", "sample s02")


def test_only_tiles_in_sight_are_in_the_page(page, scene):
    view = scene[0]
    tiles(page, view).first.wait_for()
    assert tiles(page, view).count() < 30
    wheel(of(page, view).get_by_role("listbox"), 1e6)
    of(page, view).get_by_role("option", name="sample s58").wait_for()


def test_without_attributions_or_about_other_samples_it_says_so(browser, scene):
    empty = cw.AttributionOverlay(link=scene[0].link)
    page = open_views(browser, [empty, scene[0]])
    of(page, empty).get_by_text("Attribute a class or a unit").wait_for()
    page.evaluate("id => window.models[id].set('digest', 'other')", scene[0].link.model_id)
    of(page, scene[0]).get_by_text("about different samples").wait_for()
    assert tiles(page, scene[0]).count() == 0
    assert page.strays == []
    page.context.close()


@pytest.mark.parametrize(("dark", "width"), [(False, 1280), (True, 1280), (False, 420)])
def test_looks(browser, scene, dark, width):
    page = open_views(browser, scene, dark=dark, width=width)
    tiles(page, scene[0]).nth(1).click()
    drawn(page)
    snapshot(page, f"overlay-{'dark' if dark else 'light'}-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    take_away(page)
    assert page.strays == []
    page.context.close()
