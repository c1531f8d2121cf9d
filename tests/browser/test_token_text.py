"""Token texts in a real browser: reading, selecting texts and tokens, no kernel."""

import itertools

import numpy as np
import pandas as pd
import pytest
from mouse import wheel
from static_page import drawn, of, open_views, snapshot
from static_scene import selected

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser

TEXTS = [
    ["def", " add", "(", "a", ",", " b", ")", ":", "\n", "    ", "return", " a", " +", " b", "\n"],
    ["The", " nurse", " said", " that", " she", " was", " tired", "."],
    ["שלום", " ", "עולם", "!"],
    ["<img src=x onerror=\"document.body.dataset.owned='yes'\">", " is", " text"],
]


def reading():
    """Four texts with planted values: token i of a text has (i + 1) / 20, odd ones below zero."""
    values = [[(i + 1) / 20 * (-1) ** i for i in range(len(one))] for one in TEXTS]
    values[0][3] = np.nan
    ids = [f"{t}:{i}" for t, one in enumerate(TEXTS) for i in range(len(one))]
    positions = cw.Link(Index(ids, "token"))
    link = cw.Link(Index([f"t{i}" for i in range(4)], "text"))
    view = cw.TokenText(
        TEXTS,
        values,
        link=link,
        position_link=positions,
        labels=["code", "occupation", "Hebrew", "markup"],
        name="attribution",
        unit="logits",
        diverging=True,
        title="What each token adds",
        height=420,
    )
    return view, cw.Table(pd.DataFrame({"text": link.index.ids}), link=link, height=160)


@pytest.fixture
def page(browser):
    views = reading()
    page = open_views(browser, list(views), height=1100)
    page.cw = views
    of(page, views[0]).locator(".cw-token").first.wait_for()
    yield page
    assert page.strays == []
    page.context.close()


def test_blanks_and_line_ends_are_seen_and_markup_is_text(page):
    view, _ = page.cw
    blocks = of(page, view).get_by_role("option")
    expect(blocks).to_have_count(4)
    code = blocks.nth(0).locator(".cw-token").all_inner_texts()
    assert code[8:10] == ["⏎", "␣␣␣␣"]
    assert blocks.nth(2).locator("p").get_attribute("dir") == "auto"
    direction = blocks.nth(2).locator("p").evaluate("e => getComputedStyle(e).direction")
    assert direction == "rtl"
    assert "onerror" in blocks.nth(3).inner_text()
    assert page.locator("img").count() == 0
    assert page.evaluate("document.body.dataset.owned") is None


def test_hover_tells_token_value_and_position_and_is_shared(page):
    view, table = page.cw
    of(page, view).locator(".cw-token", has_text="nurse").hover()
    tip = of(page, view).locator(".cw-tip")
    expect(tip).to_contain_text("“ nurse”")
    expect(tip).to_contain_text("attribution: −0.1000 logits")
    expect(tip).to_contain_text("token 2 of 8")
    expect(of(page, table).locator(".cw-tr").nth(1)).to_have_class("cw-tr cw-hover")
    hover = page.evaluate("id => window.models[id].get('_hover')", view.position_link.model_id)
    assert hover == len(TEXTS[0]) + 1


def test_a_click_selects_the_text_and_its_token_and_shift_adds(page):
    view, table = page.cw
    of(page, view).locator(".cw-token", has_text="she").click()
    assert selected(page, view.link) == [1]
    assert selected(page, view.position_link) == [15 + 4]
    of(page, table).get_by_text("1 selected").wait_for()
    of(page, view).locator(".cw-token", has_text="return").click(modifiers=["Shift"])
    assert selected(page, view.link) == [0, 1]
    assert selected(page, view.position_link) == [10, 19]
    expect(of(page, view).locator(".cw-picked")).to_have_text(["return", " she"])
    expect(of(page, view).locator(".cw-summary")).to_contain_text(
        "4 texts shown, 30 tokens, 2 texts and 2 tokens selected, 1 token without a value"
    )
    of(page, view).locator(".cw-passage-head").nth(2).click()
    assert selected(page, view.link) == [2]
    assert selected(page, view.position_link) == []


def test_keys_walk_texts_and_tokens(page):
    view, _ = page.cw
    of(page, view).get_by_role("listbox").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    tip = of(page, view).locator(".cw-tip")
    expect(tip).to_contain_text("token 3 of 8")
    expect(tip).to_have_attribute("aria-live", "polite")
    page.keyboard.press("Enter")
    assert selected(page, view.link) == [1]
    assert selected(page, view.position_link) == [17]
    page.keyboard.press("Escape")
    assert selected(page, view.link) == selected(page, view.position_link) == []


def test_the_selected_texts_alone(page):
    view, table = page.cw
    of(page, view).get_by_role("radio", name="Show the selected only").click()
    of(page, view).get_by_text("Select texts in another view to read them here.").wait_for()
    of(page, table).locator(".cw-tr").nth(3).click()
    expect(of(page, view).get_by_role("option")).to_have_count(1)
    expect(of(page, view).locator(".cw-passage-head")).to_contain_text("t3 markup")


@pytest.mark.parametrize("dark", [False, True])
def test_every_token_is_read_on_its_ground(browser, dark):
    view, _ = reading()
    page = open_views(browser, [view], dark=dark)
    colours = (
        of(page, view)
        .locator(".cw-token")
        .evaluate_all(
            "all => all.filter((e) => e.style.background).map((e) => {"
            " const s = getComputedStyle(e); return [s.backgroundColor, s.color]; })"
        )
    )
    assert len(colours) == 29
    for ground, text in colours:
        low, high = sorted(luminance(one) for one in (ground, text))
        assert (high + 0.05) / (low + 0.05) >= 4.5
    page.context.close()


def luminance(css):
    parts = [float(one) / 255 for one in css[4:-1].split(",")]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def test_of_five_thousand_texts_only_those_in_sight_are_in_the_page(browser):
    rng = np.random.default_rng(0)
    words = ["ant", " bee", " cat", " dog", "\n"]
    tokens = [[words[k] for k in rng.integers(0, 5, rng.integers(1, 300))] for _ in range(5000)]
    view = cw.TokenText(tokens, [rng.normal(size=len(one)) for one in tokens])
    page = open_views(browser, [view])
    port = of(page, view).get_by_role("listbox")
    blocks = of(page, view).get_by_role("option")
    blocks.first.wait_for()
    assert blocks.count() < 30
    half = port.evaluate("e => e.scrollHeight / 2")
    wheel(port, half)
    page.wait_for_function("([e, y]) => e.scrollTop > 0.9 * y", arg=[port.element_handle(), half])
    drawn(page)
    assert blocks.count() < 30
    # No hole and no overlap between blocks, whatever was guessed of their heights.
    edges = blocks.evaluate_all(
        "all => all.map((e) => e.getBoundingClientRect()).map((b) => [b.top, b.bottom])"
        ".sort((a, b) => a[0] - b[0])"
    )
    for (_, bottom), (top, _) in itertools.pairwise(edges):
        assert abs(top - bottom) < 1.5
    port.focus()
    page.keyboard.press("End")
    expect(of(page, view).get_by_role("option", name="text 4999")).to_be_visible()
    assert page.strays == []
    page.context.close()


def test_a_very_long_text_is_shown_in_parts(browser):
    view = cw.TokenText([[" word"] * 2500], [np.linspace(0, 1, 2500)])
    page = open_views(browser, [view])
    tokens = of(page, view).locator(".cw-token")
    expect(tokens).to_have_count(2000)
    port = of(page, view).get_by_role("listbox")
    wheel(port, 1e6)
    of(page, view).get_by_text("… 500 more tokens").click()
    expect(tokens).to_have_count(2500)
    assert selected(page, view.link) == []
    page.context.close()


def test_nothing_to_show_is_said(browser):
    view = cw.TokenText([])
    page = open_views(browser, [view])
    of(page, view).get_by_text("No texts to show yet.").wait_for()
    assert page.strays == []
    page.context.close()


@pytest.mark.parametrize(("name", "dark", "width"), [("light", False, 900), ("dark", True, 420)])
def test_pictures(browser, name, dark, width):
    view, _ = reading()
    plain = cw.TokenText(
        TEXTS[:2],
        [np.linspace(0, 6, len(one)) for one in TEXTS[:2]],
        name="surprisal",
        unit="bits",
        title="One way",
        height=160,
    )
    page = open_views(browser, [view, plain], dark=dark, width=width)
    of(page, view).locator(".cw-token", has_text="nurse").click()
    of(page, view).locator(".cw-token", has_text="return").hover()
    drawn(page)
    snapshot(page, f"token-text-{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.strays == []
    page.context.close()
