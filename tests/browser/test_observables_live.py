"""The observable explorer with a living kernel: click a head, mend a word, steer, undo."""

import re

import pytest
from explorers import CASES
from hosts import voila

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser
LONG = 60_000


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    case = next(one for one in CASES if one.name == "observables")
    folder = tmp_path_factory.mktemp("observables-live")
    with voila(browser, folder, case.notebook(folder), ready="section.cw") as found:
        expect(found.page.get_by_text(case.pattern).first).to_be_visible(timeout=LONG)
        yield found.page


def heading(page):
    return page.locator("h2", has_text="in gpt-occupations")


def test_a_click_on_the_head_map_shows_that_head(page):
    canvas = page.locator("section.cw-heat-map:visible canvas.cw-over").first
    box = canvas.bounding_box()
    expect(heading(page)).to_contain_text("L0H0@1")
    # The second head of the second layer.
    canvas.click(position={"x": box["width"] * 0.42, "y": box["height"] * 0.7})
    expect(heading(page)).to_contain_text("L1H1@1", timeout=LONG)
    expect(page.get_by_label("Path", exact=True)).to_have_value("L1H1@1")


def test_one_lens_is_shown_at_a_time(page):
    logits = page.get_by_text("Tokens whose logits it raises and lowers")
    read = page.get_by_text("Tokens whose embeddings read highest and lowest")
    expect(logits).to_be_visible()
    expect(read).to_be_hidden()
    page.get_by_role("tab", name="Words that it reads").click()
    expect(read).to_be_visible()
    expect(logits).to_be_hidden()


def test_a_wrong_word_is_told_when_its_field_is_left(page):
    plus = page.get_by_label("Plus", exact=True)
    plus.fill("she said")
    plus.press("Tab")
    told = page.get_by_text(re.compile("plus word 'she said' must be one token, got 2"))
    expect(told.first).to_be_visible(timeout=LONG)
    plus.fill("she")
    plus.press("Tab")
    expect(told).to_have_count(0, timeout=LONG)


def test_steering_its_slider_and_undo(page):
    page.get_by_role("tab", name="Steer").click()
    page.get_by_role("button", name="Steer", exact=True).click()
    words = page.get_by_text(re.compile("A step of"))
    expect(words).to_contain_text("20 random directions", timeout=LONG)
    first = re.match(r"A step of \S+", words.inner_text())[0]
    chart = page.locator("section.cw-lines:visible").first
    chart.locator("[tabindex='0']").first.press("ArrowRight")
    expect(words).not_to_contain_text(f"{first} ", timeout=LONG)
    second = re.match(r"A step of \S+", words.inner_text())[0]
    undo = page.locator("section.cw-actions", has_text="Step").get_by_role("button", name="Undo")
    undo.click()
    expect(words).to_contain_text(f"{first} ", timeout=LONG)
    assert first != second
