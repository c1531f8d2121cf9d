"""axe-core over every view: light, dark, narrow, empty, and with a selection.

A new view joins by one line in `VIEWS`: how to make it on a link of samples.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from static_page import of, open_views
from static_scene import planted_atlas

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser

AXE = Path(cw.__file__).parent / "js" / "node_modules" / "axe-core" / "axe.min.js"
N = 60
RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(N, 2))
KINDS = cw.Categories(np.arange(N) % 3, ["cat", "dog", "owl"])
FRAME = pd.DataFrame({"name": [f"s{i}" for i in range(N)], "loss": RNG.gamma(1, 1, N)})


class Site:
    """One line of a tree."""

    def __init__(self, path, kind, shape, n):
        self.path, self.type, self.shape, self.layout = path, kind, shape, "n c h w"
        self.n_parameters, self.n_units = n, shape[0]


SITES = [Site("net", "Sequential", (4, 5, 5), 9), Site("net.conv1", "Conv2d", (4, 5, 5), 9)]


def kept(link):
    link.keep("the first", [0, 1, 2])
    return cw.SelectionBar(link, title="Selection")


def running(_link):
    view = cw.Progress(cw.Job(inline=True), title="Screen")
    view._status = {**view._status, "state": "running", "fraction": 0.4, "message": "EM 4 of 10"}
    return view


VIEWS = {
    "scatter": lambda link: cw.Scatter(
        POINTS,
        link=link,
        colors={"kind": KINDS, "loss": cw.Values(FRAME["loss"])},
        title="Points",
        caption="planted",
    ),
    "histogram": lambda link: cw.Histogram(FRAME["loss"], link=link, name="loss", title="Loss"),
    "grid": lambda link: cw.ImageGrid(link=link, labels=FRAME["name"].tolist(), title="Pictures"),
    "table": lambda link: cw.Table(FRAME, link=link, sort="loss", title="Rows"),
    "tree": lambda _link: cw.SiteTree(SITES, picked=["net.conv1"], title="Sites"),
    "bar": kept,
    "progress": running,
}
EMPTY = {
    "scatter": lambda link: cw.Scatter(np.zeros((0, 2)), link=link),
    "histogram": lambda link: cw.Histogram(np.zeros(0), link=link),
    "grid": lambda link: cw.ImageGrid(link=link, empty="Screen a layer first."),
    "table": lambda link: cw.Table(pd.DataFrame({"a": []}), link=link),
    "tree": lambda _link: cw.SiteTree([]),
    "bar": cw.SelectionBar,
}
LOOKS = {
    "light": {"width": 900},
    "dark": {"width": 900, "dark": True},
    "narrow": {"width": 360},
}
RUN = """async (where) => {
  const found = await axe.run(where, { resultTypes: ["violations"] });
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((n) => `${n.html} ${n.any.map((a) => a.message)}`)}`);
}"""


def wrong(page, view):
    """Serious and critical violations within one view."""
    return page.evaluate(RUN, f"#view-{view.model_id}")


def opened(browser, views, **look):
    page = open_views(browser, views, **look)
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run npm ci in widgets/cutaway_widgets/js")
    page.evaluate(AXE.read_text(encoding="utf-8") + ";0")
    # A frame, so that every view has drawn itself.
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")
    return page


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", VIEWS)
def test_nothing_serious_with_and_without_a_selection(browser, name, look):
    link = cw.Link(Index.count(N), thumbnails=planted_atlas(N))
    view = VIEWS[name](link)
    page = opened(browser, [view], **LOOKS[look])
    assert wrong(page, view) == []
    page.evaluate(
        "([id]) => { const m = window.models[id]; if (!m) return;"
        " const b = new Uint8Array(8); b[0] = 37;"
        " m.set('_by', 'code'); m.set('_mask', new DataView(b.buffer)); }",
        [link.model_id],
    )
    save = of(page, view).get_by_role("button", name="Save this view")
    if save.count():
        save.click()
        of(page, view).get_by_role("menu").wait_for()
    page.wait_for_timeout(50)
    assert wrong(page, view) == []
    page.context.close()


@pytest.mark.parametrize("name", EMPTY)
def test_nothing_serious_when_there_is_nothing_to_show(browser, name):
    view = EMPTY[name](cw.Link(Index.count(0)))
    page = opened(browser, [view])
    assert wrong(page, view) == []
    page.context.close()


def test_the_check_finds_what_is_wrong(browser):
    view = cw.SelectionBar(cw.Link(Index.count(4)))
    page = opened(browser, [view])
    of(page, view).locator("button").first.evaluate(
        "e => { e.textContent = ''; e.ariaLabel = ''; e.title = ''; }"
    )
    assert any(one.startswith("button-name") for one in wrong(page, view))
    page.context.close()
