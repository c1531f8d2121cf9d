"""A saved page with hostile parts: it asks nobody for anything, and it stays where it is."""

import html
import json
import re

import ipywidgets
import numpy as np
import pandas as pd
import pytest
from gallery import VIEWS, gallery
from hostile import listener, payloads

import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets.export import page_html

pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = pytest.mark.browser

KEPT = "<p role='status' style='color: rgb(1, 2, 3); margin: 0 6px'>kept <b>NUMBER</b></p>"
WAYS = {
    "file": None,
    "frame": '<iframe title="page" srcdoc="{}" style="width:900px;height:900px"></iframe>',
    "all allowed": '<iframe title="page" sandbox="allow-scripts allow-forms allow-popups '
    'allow-top-navigation allow-same-origin allow-popups-to-escape-sandbox" srcdoc="{}"></iframe>',
}


def parts(port):
    """Every payload as an HTML part, followed by something that must be kept."""
    return [
        ipywidgets.HTML(f"{one}{KEPT.replace('NUMBER', str(i))}", description=one)
        for i, one in enumerate(payloads(port))
    ]


def views(port):
    """Every payload as ids, classes, titles, names, captions, cells and messages of views."""
    bad = payloads(port)
    n = len(bad)
    link = cw.Link(Index(bad))
    link.keep(bad[0][:50], [bad[1]])
    frame = pd.DataFrame({"text": bad, bad[2]: np.arange(n)})
    progress = cw.Progress(cw.Job(inline=True), title=bad[3])
    progress._status = {
        "state": "failed", "fraction": 0.4, "name": bad[4], "seconds": 2.0, "message": bad[5],
    }  # fmt: skip
    scatter = cw.Scatter(
        np.random.default_rng(0).normal(size=(n, 2)), link=link, title=bad[6],
        colors={bad[7]: cw.Categories(np.arange(n), bad)},
    )  # fmt: skip
    scatter.error = bad[8]
    scatter.caption = bad[9]
    return [
        scatter, progress, cw.SelectionBar(link), cw.ImageGrid(link=link, labels=bad),
        cw.Table(frame, title=bad[10]),
        cw.Histogram(np.arange(float(n)), link=link, name=bad[11], title=bad[12]),
        ipywidgets.Button(description=bad[13], tooltip=bad[14]),
    ]  # fmt: skip


@pytest.fixture
def opened(browser):
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    page = context.new_page()
    page.requests, page.dialogs, page.errors = [], [], []
    page.on("request", lambda one: page.requests.append(one.url))
    page.on("dialog", lambda one: (page.dialogs.append(one.message), one.dismiss()))
    page.on("pageerror", lambda one: page.errors.append(str(one)))
    yield page
    context.close()


def shown(page, file, way):
    """Open the file in this way; the place where it is drawn."""
    if WAYS[way] is None:
        page.goto(file.as_uri())
        place = page
    else:
        outer = file.with_name("outer.html")
        inner = html.escape(file.read_text(encoding="utf-8"))
        outer.write_text(f"<!doctype html><title>outer</title>{WAYS[way].format(inner)}")
        page.goto(outer.as_uri())
        place = page.frame_locator("iframe")
    place.locator("#cutaway[data-ready=yes]").wait_for(timeout=120_000)
    return place


def assert_quiet(page, heard, address):
    """Nobody was asked, nothing ran, nothing left and nothing was opened."""
    page.wait_for_timeout(1500)
    assert heard == []
    asked = [one for one in page.requests if not one.startswith(("data:", "blob:", "about:"))]
    assert asked == [address]
    assert page.url == address
    assert page.dialogs == page.errors == []
    assert len(page.context.pages) == 1


STRANGE = """(root) => [...root.querySelectorAll("*")].filter((one) =>
  /^(meta|base|form|iframe|object|embed|link|script|area|frame|template|portal|a|math)$/i
    .test(one.tagName)
  || one.getAttributeNames().some((name) =>
    /^(on.*|href|ping|action|srcset|background)$/.test(name))
).map((one) => one.outerHTML)"""
CLICKS = """(root) => {
  for (const one of root.querySelectorAll(".cwp-html, .cwp-html *")) {
    one.click?.();
    one.focus?.();
  }
}"""


def test_the_listener_hears_a_page_that_asks(opened, tmp_path):
    with listener() as (port, heard):
        file = tmp_path / "page.html"
        file.write_text(f"<!doctype html><img src='http://127.0.0.1:{port}/x'>")
        opened.goto(file.as_uri())
        opened.wait_for_timeout(1500)
        assert heard[0] == "GET /x HTTP/1.1"


@pytest.mark.parametrize("way", WAYS)
def test_hostile_parts_do_nothing_also_when_they_are_clicked(opened, tmp_path, way):
    with listener() as (port, heard):
        made = parts(port)
        assert len(made) > 25
        file = cw.export_html(
            ipywidgets.VBox(made), tmp_path / "page.html", title=payloads(port)[0]
        )
        place = shown(opened, file, way)
        address = opened.url
        assert_quiet(opened, heard, address)
        place.locator("#cutaway").evaluate(CLICKS)
        assert place.locator("#cutaway").evaluate(STRANGE) == []
        assert_quiet(opened, heard, address)
        # What is harmless stands there; only what a payload opened and never closed swallows it.
        kept = place.locator(".cwp-html p[role=status] b").all_inner_texts()
        assert len(kept) > 45
        ink = place.locator(".cwp-html p[role=status]").first
        assert ink.evaluate("e => getComputedStyle(e).color") == "rgb(1, 2, 3)"


@pytest.mark.parametrize("way", ["file", "all allowed"])
def test_hostile_texts_in_views_are_texts(opened, tmp_path, way):
    with listener() as (port, heard):
        made = views(port)
        file = cw.export_html(
            ipywidgets.VBox(made), tmp_path / "page.html", title=payloads(port)[1]
        )
        place = shown(opened, file, way)
        address = opened.url
        for over in (".cw-scatter canvas.cw-over", ".cw-histogram canvas", ".cw-tile >> nth=1"):
            place.locator(over).first.hover(timeout=60_000)
        place.locator(".cw-tr").nth(1).click()
        place.get_by_role("button", name="Save this view").first.click()
        assert_quiet(opened, heard, address)
        assert place.locator("#cutaway").evaluate(STRANGE) == []
        text = place.locator("#cutaway").inner_text()
        for i in (6, 8, 9, 12, 13):
            assert " ".join(payloads(port)[i].split()) in " ".join(text.split())


# What says how a view works, not what it shows.
WORKINGS = re.compile(
    ".*digest|_?of|_?by|_kind|kind|_pick|_sort|engine|layer|layout|mode|scale|state|tool|dtype|"
    r"color_by|column|colors|mime|.*link|\$.*"
)
SHOWN_WHEN_EMPTY = {"caption", "error", "unit", "note", "_note", "empty", "x_label", "title"}


def spoiled(value, bad, key=""):
    """State with a payload for every text that is shown, the same one for the same text."""
    if isinstance(value, dict):
        return {name: spoiled(one, bad, name) for name, one in value.items()}
    if isinstance(value, list):
        return [spoiled(one, bad, key) for one in value]
    if not isinstance(value, str) or WORKINGS.fullmatch(key):
        return value
    if not value and key not in SHOWN_WHEN_EMPTY:
        return value
    # Ids stay apart from each other.
    return f"{bad[(len(value) + sum(map(ord, value + key[:1]))) % len(bad)]} {value}"


def test_every_view_shows_every_text_as_text(opened, tmp_path):
    text = page_html(gallery())
    before = re.search(r'id="cutaway-state">(.*?)</script>', text, re.DOTALL)[1]
    with listener() as (port, heard):
        state = json.loads(before)
        state["models"] = {
            name: spoiled(one, payloads(port)) for name, one in state["models"].items()
        }
        after = json.dumps(state).replace("<", "\\u003c")
        file = tmp_path / "page.html"
        file.write_text(text.replace(before, after), encoding="utf-8")
        place = shown(opened, file, "file")
        titles = place.locator(".cw-title:visible")
        assert titles.count() >= len(VIEWS) - 1
        assert all(one.count("127.0.0.1") or "<" in one for one in titles.all_inner_texts())
        for canvas in place.locator("section.cw canvas").all():
            if canvas.is_visible():
                canvas.hover(force=True, timeout=30_000)
        for one in place.locator("section.cw [role=listbox], section.cw [tabindex='0']").all():
            one.evaluate("(e) => { e.focus(); e.dispatchEvent(new KeyboardEvent('keydown',"
                         " {key: 'ArrowDown', bubbles: true})); }")  # fmt: skip
        found = place.locator("#cutaway").evaluate(STRANGE)
        # The fields of the form view, and the file of the download view, made in the page.
        own = ('<form novalidate="" autocomplete="off">', '<a class="cw-file" href="blob:')
        assert [one for one in found if not one.startswith(own)] == []
        assert_quiet(opened, heard, file.as_uri())
