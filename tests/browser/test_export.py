"""Saved pages as a reader opens them: from a file, without network, in a frame, under a policy."""

import html
import re

import ipywidgets
import numpy as np
import pandas as pd
import pytest
from mouse import drag
from static_page import snapshot

import cutaway as ct
import cutaway_widgets as cw
from cutaway.core import Index
from cutaway_widgets.export import page_html

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser

SITE = "http://cutaway.test/"
N, SMALL = 240, 80
STRICT = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
)
NEEDS = "needs a kernel"


def scene():
    """160 samples around (-2, 0), 80 around (2, 1); two units on an axis of their own."""
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.8, 0.8, (N, 2))
    points[: N - SMALL] += (-2, 0)
    points[N - SMALL :] += (2, 1)
    small = (np.arange(N) >= N - SMALL).astype(int)
    samples = cw.Link(Index([f"s{i:03d}" for i in range(N)]))
    job = cw.Job(inline=True)
    progress = cw.Progress(job, title="Screen")
    progress._status = {"state": "running", "fraction": 0.4, "name": "screen", "seconds": 2.0}
    samples.keep("every tenth", [f"s{i:03d}" for i in range(0, N, 10)])
    chosen = ipywidgets.HTML("<p role='status'>No samples selected.</p>")
    return ipywidgets.VBox(
        [
            chosen,
            cw.SelectionBar(samples),
            cw.Scatter(
                points,
                link=samples,
                colors={
                    "cluster": cw.Categories(small, ["main", "small"]),
                    "loss": cw.Values(rng.gamma(1.0, 0.4, N), "nats"),
                },
                title="Samples",
            ),
            ipywidgets.HBox(
                [
                    cw.ImageGrid(link=samples, labels=[str(i % 10) for i in range(N)]),
                    cw.Histogram(small + rng.uniform(0, 0.5, N), link=samples, name="loss"),
                ]
            ),
            cw.Table(pd.DataFrame({"unit": [0, 1], "score": [0.5, np.nan]}), title="Filters"),
            ipywidgets.Button(description="Screen picked layers", tooltip="Find filters"),
            progress,
        ]
    )


class Opened:
    """A page that was opened offline, with everything it asked for and complained of."""

    def __init__(self, browser, url, *, answers=None, width=900, dark=False):
        scheme = "dark" if dark else "light"
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.page = self.context.new_page()
        self.requests, self.errors = [], []
        self.page.on("request", self._asked)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "console", lambda one: self.errors.append(one.text) if one.type == "error" else None
        )
        if answers:
            headers = {"Content-Security-Policy": STRICT}
            self.page.route(
                url,
                lambda way: way.fulfill(content_type="text/html", body=answers, headers=headers),
            )
        else:
            self.context.set_offline(True)
        self.page.goto(url)

    def _asked(self, request):
        # Pictures in the page's own memory are no requests to anybody.
        if not request.url.startswith(("data:", "blob:")):
            self.requests.append(request.url)


@pytest.fixture
def opened(browser):
    pages = []

    def start(*args, **options):
        pages.append(Opened(browser, *args, **options))
        return pages[-1]

    yield start
    for one in pages:
        one.context.close()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return cw.export_html(scene(), tmp_path_factory.mktemp("saved") / "page.html", title="Planted")


@pytest.fixture(scope="module")
def explorer(tmp_path_factory):
    """The explorer on 1,000 samples, the size that must stay below 2 MB."""
    data = ct.load_data("digits", split="test", limit=1000)
    view = cw.FilterExplorer("lenet5-digits", data, sites="conv1", inline=True)
    return cw.export_html(view, tmp_path_factory.mktemp("saved") / "explorer.html")


def drawn(place):
    place.locator("#cutaway[data-ready=yes]").wait_for()
    return place


def summary(place, kind):
    return place.locator(f".cw-{kind} .cw-summary")


def lasso_the_small_cluster(page, place):
    """Draw around the cluster on the right: a loop in the right half of the scatter."""
    right = [(0.6, 0.005), (0.995, 0.005), (0.995, 0.9), (0.6, 0.9), (0.6, 0.02)]
    drag(page, place.locator(".cw-scatter canvas.cw-over"), right, steps=5)


def brushing_is_alive(page, place):
    """A lasso in one view is followed by all views of its link, and by no other."""
    expect(summary(place, "grid")).to_contain_text("none selected")
    lasso_the_small_cluster(page, place)
    for kind in ("scatter", "grid", "histogram"):
        expect(summary(place, kind)).to_contain_text(f"{SMALL} selected")
    expect(summary(place, "table")).to_contain_text("none selected")


def undo_is_alive(place):
    """Undo and redo by keys, and kept selections as sets; after the lasso."""
    canvas, bar = place.locator(".cw-scatter canvas.cw-over"), place.locator(".cw-selection")
    for key, n in [("i", N - SMALL), ("Control+z", SMALL), ("Control+z", 0), ("Control+y", SMALL)]:
        canvas.press(key)
        bar.get_by_text(f"{n} of {N} samples selected").wait_for()
    bar.get_by_role("button", name="and every tenth").click()
    bar.get_by_text(f"{SMALL // 10} of {N} samples selected").wait_for()
    expect(summary(place, "histogram")).to_contain_text(f"{SMALL // 10} selected")
    bar.get_by_label("Name under which").fill("both")
    bar.get_by_role("button", name="Keep this selection").click()
    bar.get_by_role("button", name="Undo").click()
    bar.get_by_role("button", name="minus both").click()
    bar.get_by_text(f"{SMALL - SMALL // 10} of {N} samples selected").wait_for()


def test_a_file_offline_asks_for_itself_only_and_brushes(opened, saved):
    one = opened(saved.as_uri())
    drawn(one.page)
    brushing_is_alive(one.page, one.page)
    undo_is_alive(one.page)
    snapshot(one.page, "export-selected")
    one.page.locator(".cw-scatter canvas.cw-over").press("Escape")
    expect(summary(one.page, "histogram")).to_contain_text("none selected")
    assert one.requests == [saved.as_uri()]
    assert one.errors == []


def test_the_strictest_policy_that_allows_inline_code_is_enough(opened, saved):
    one = opened(SITE, answers=saved.read_text(encoding="utf-8"))
    drawn(one.page)
    brushing_is_alive(one.page, one.page)
    undo_is_alive(one.page)
    assert one.requests == [SITE]
    assert one.errors == []


def test_a_sandboxed_frame_under_that_policy_is_enough(opened, saved):
    inner = html.escape(saved.read_text(encoding="utf-8"))
    outer = f"""<!doctype html><title>course</title><link rel="icon" href="data:,">
        <iframe sandbox="allow-scripts" srcdoc="{inner}"
        style="width:880px;height:1500px;border:0"></iframe>"""
    one = opened(SITE, answers=outer)
    frame = drawn(one.page.frame_locator("iframe"))
    brushing_is_alive(one.page, frame)
    undo_is_alive(frame)
    assert [url for url in one.requests if url != "about:srcdoc"] == [SITE]
    assert one.errors == []


def test_files_are_saved_from_a_file_and_under_the_strict_policy(opened, saved):
    pages = [opened(saved.as_uri()), opened(SITE, answers=saved.read_text(encoding="utf-8"))]
    for one in pages:
        table = drawn(one.page).locator(".cw-table")
        for item, head in [
            ("Table", b"row,unit,score,selected\n0,0,0.5,0\n1,1,,0\n"),
            ("Pic", b"\x89PNG"),
        ]:
            table.get_by_role("button", name="Save this view").click()
            with one.page.expect_download() as started:
                table.get_by_role("menuitem", name=item).click()
            raw = started.value.path().read_bytes()
            assert raw.startswith(head)
        table.get_by_text("Saved filters.png.").wait_for()
        assert len(one.requests) == 1
        assert one.errors == []


@pytest.mark.parametrize(
    ("sandbox", "said"),
    [
        ("allow-scripts", "If no file arrives, this page's frame does not allow downloads"),
        ("allow-scripts allow-same-origin", "This page's frame does not allow downloads. Open"),
    ],
)
def test_a_frame_without_downloads_says_so(opened, saved, sandbox, said):
    inner = html.escape(saved.read_text(encoding="utf-8"))
    outer = f"""<!doctype html><title>course</title><link rel="icon" href="data:,">
        <iframe sandbox="{sandbox}" srcdoc="{inner}" style="width:880px;height:1500px"></iframe>"""
    frame = drawn(opened(SITE, answers=outer).page.frame_locator("iframe"))
    table = frame.locator(".cw-table")
    table.get_by_role("button", name="Save this view").click()
    table.get_by_role("menuitem", name="Table").click()
    table.get_by_text(said).wait_for()


def test_a_saved_selection_is_shown_and_can_change(opened, tmp_path):
    link = cw.Link(Index.count(9))
    view = cw.Histogram(np.arange(9.0), link=link)
    link.select([1, 4])
    one = opened(cw.export_html(view, tmp_path / "page.html").as_uri())
    expect(summary(drawn(one.page), "histogram")).to_contain_text("2 selected")
    one.page.locator(".cw-histogram canvas").press("Escape")
    expect(summary(one.page, "histogram")).to_contain_text("none selected")


def test_what_needs_a_kernel_is_disabled_and_says_so(opened, saved):
    page = drawn(opened(saved.as_uri()).page)
    for name in ("Screen picked layers", "Cancel"):
        button = page.get_by_role("button", name=name)
        expect(button).to_be_disabled()
        expect(button).to_have_attribute("title", NEEDS)
    page.get_by_text("Saved while running; going on needs a kernel.").wait_for()


def test_texts_of_the_kernel_are_marked_once_the_selection_moved_on(opened, saved):
    page = drawn(opened(saved.as_uri()).page)
    after = "e => getComputedStyle(e, '::after').content"
    line = page.locator(".cwp-html [role=status]")
    assert line.evaluate(after) == "none"
    lasso_the_small_cluster(page, page)
    expect(summary(page, "scatter")).to_contain_text("selected")
    assert line.evaluate(after) == '" (as saved)"'


def test_colours_and_sorting_work_without_a_kernel(opened, saved):
    page = drawn(opened(saved.as_uri()).page)
    page.get_by_label("Colour by").select_option("loss")
    page.locator(".cw-legend").get_by_text("loss (nats)").wait_for()
    cells = page.locator(".cw-tr > :nth-child(2)")
    page.locator(".cw-table").get_by_role("button", name="score").click()
    expect(cells.first).to_have_text(re.compile(r"0\.5"))


def test_markup_from_data_runs_nothing_and_fetches_nothing(opened, tmp_path):
    bad = f"<img src='{SITE}x.png' onerror='document.title=\"ran\"'><b>kept</b>"
    bad += "<script>document.title='ran'</script>"
    file = cw.export_html(ipywidgets.VBox([ipywidgets.HTML(bad)]), tmp_path / "page.html")
    one = opened(file.as_uri())
    drawn(one.page).get_by_text("kept").wait_for()
    expect(one.page).to_have_title("Cutaway")
    assert one.requests == [file.as_uri()]
    assert one.errors == []


def test_a_view_that_fails_says_it_and_the_others_work(opened, tmp_path):
    view = cw.Histogram(np.arange(4.0))
    text = page_html(ipywidgets.VBox([view, cw.Histogram(np.arange(5.0))]))
    first, rest = text.split('"_kind":"histogram"', 1)
    file = tmp_path / "page.html"
    file.write_text(f'{first}"_kind":"planted"{rest}', encoding="utf-8")
    one = opened(file.as_uri())
    drawn(one.page).get_by_text("kind must be one of").wait_for()
    expect(summary(one.page, "histogram")).to_contain_text("5 samples")


class TestExplorer:
    @pytest.mark.parametrize(
        ("name", "width", "dark"),
        [("light", 1400, False), ("dark", 1400, True), ("narrow", 400, False)],
    )
    def test_is_whole_in_light_dark_and_narrow(self, opened, explorer, name, width, dark):
        one = opened(explorer.as_uri(), width=width, dark=dark)
        page = drawn(one.page)
        expect(page.locator(".cw-tile").first).to_be_visible()
        expect(page.locator(".cw-tr").first).to_be_visible()
        assert page.locator(".cw-error:visible").count() == 0
        ground = page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
        view = page.locator(".cw-scatter").first.evaluate(
            "e => getComputedStyle(e).backgroundColor"
        )
        assert ground == view == ("rgb(22, 25, 29)" if dark else "rgb(255, 255, 255)")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        snapshot(page, f"export-explorer-{name}")
        assert one.requests == [explorer.as_uri()]
        assert one.errors == []

    def test_a_click_on_a_picture_is_followed_by_the_views_of_samples(self, opened, explorer):
        page = drawn(opened(explorer.as_uri(), width=1400).page)
        # The views of the filters and samples come first; those of the tabs below follow.
        before = summary(page, "table").first.text_content()
        page.locator(".cw-tile").nth(3).click()
        for kind in ("scatter", "grid", "histogram"):
            expect(summary(page, kind).first).to_contain_text("1 selected")
        heat = page.locator("section[aria-label*='How odd each filter'] .cw-summary")
        expect(heat).to_contain_text("1 sample selected")
        assert summary(page, "table").first.text_content() == before

    def test_picks_of_layers_stay_as_saved(self, opened, explorer):
        page = drawn(opened(explorer.as_uri(), width=1400).page)
        page.get_by_text("Picking needs a kernel.").wait_for()
        page.get_by_role("treeitem", name=re.compile("^conv2")).click()
        page.get_by_role("button", name="Fold all", exact=True).click()
        expect(summary(page, "tree")).to_contain_text("1 picked: conv1")

    def test_is_small(self, explorer):
        assert explorer.stat().st_size < 2_000_000
