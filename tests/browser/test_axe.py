"""axe-core over every view: light, dark, narrow, empty, and with a selection.

A new view joins by one line in `gallery.VIEWS`: how to make it on a link of samples.
"""

import axe
import pytest
from gallery import EMPTY, VIEWS, samples
from static_page import drawn, of, open_views, snapshot

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser

LOOKS = {
    "light": {"width": 900},
    "dark": {"width": 900, "dark": True},
    "narrow": {"width": 360},
}


def wrong(page, view):
    """Serious and critical violations within one view."""
    return axe.wrong(page, f"#view-{view.model_id}")


def opened(browser, views, **look):
    page = open_views(browser, views, **look)
    axe.bring(page)
    drawn(page)
    return page


def found(page, views):
    """What is wrong in each view that is not right."""
    lists = {name: wrong(page, view) for name, view in views.items()}
    return {name: one for name, one in lists.items() if one}


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_serious_with_and_without_a_selection(browser, look):
    link = samples()
    views = {name: make(link) for name, make in VIEWS.items()}
    page = opened(browser, list(views.values()), **LOOKS[look])
    assert found(page, views) == {}
    page.evaluate(
        "([id]) => { const m = window.models[id];"
        " const b = new Uint8Array(8); b[0] = 37;"
        " m.set('_by', 'code'); m.set('_mask', new DataView(b.buffer)); }",
        [link.model_id],
    )
    drawn(page)
    assert found(page, views) == {}
    # One view's open menu lies over the next.
    saves = of(page, views["scatter"]).get_by_role("button", name="Save this view")
    saves.click()
    of(page, views["scatter"]).get_by_role("menu").wait_for()
    assert wrong(page, views["scatter"]) == []
    page.context.close()


def test_nothing_serious_when_there_is_nothing_to_show(browser):
    views = {name: make(cw.Link(Index.count(0))) for name, make in EMPTY.items()}
    page = opened(browser, list(views.values()))
    assert found(page, views) == {}
    snapshot(page, "gallery-empty")
    page.context.close()


def test_the_check_finds_what_is_wrong(browser):
    view = cw.SelectionBar(cw.Link(Index.count(4)))
    page = opened(browser, [view])
    of(page, view).locator("button").first.evaluate(
        "e => { e.textContent = ''; e.ariaLabel = ''; e.title = ''; }"
    )
    assert any(one.startswith("button-name") for one in wrong(page, view))
    page.context.close()
