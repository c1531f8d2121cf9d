"""Every explorer in JupyterLab, in Voilà and as a saved file: the same promises, one suite.

A file a host (`test_explorers*.py`), so that several workers share the work. Saved files keep all
promises in both tiers. A living host keeps all of them with one explorer and the `SMOKE` with
each other one; the rest of that matrix is in the slow tier (`is_quick`).
"""

import contextlib
import os
import re
import signal

import axe
import psutil
import pytest
from explorers import CASES
from hosts import Page, lab, voila
from mouse import box_of, drag

import cutaway_widgets as cw
from cutaway_widgets._code import STATIC

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser
SECONDS = 1000
SIZES = {"1280": (1280, 900), "1920": (1920, 1080), "narrow": (480, 900)}


@contextlib.contextmanager
def saved(browser, folder, case, **options):
    """The explorer as `export_html` writes it, opened from the file with the network off."""
    view = case.make()
    path = cw.export_html(view, folder / f"{case.name}.html", title=case.name)
    view.close()
    page = Page(browser, offline=True, **options)
    page.address = path.as_uri()
    page.page.goto(page.address)
    yield page
    page.close()


def in_notebook(host):
    def start(browser, folder, case, **options):
        return host(browser, folder, case.notebook(folder), ready="section.cw", **options)

    return start


HOSTS = {"voila": in_notebook(voila), "lab": in_notebook(lab), "saved": saved}
IN_FULL = "gallery"  # the explorer that keeps every promise on every host in the quick tier
SMOKE = (
    "test_views_are_there_and_none_complains",
    "test_brushing_is_linked_and_undone",
    "test_nothing_left_the_machine_and_nothing_failed",
)


def is_quick(item):
    """Whether an item of this suite belongs to the quick tier."""
    shown = item.callspec.params["case"].name
    return item.module.HOST == "saved" or shown == IN_FULL or item.originalname in SMOKE


@pytest.fixture(scope="class", params=CASES, ids=lambda case: case.name)
def case(request):
    return request.param


@pytest.fixture(scope="class")
def host(request, browser, case, tmp_path_factory):
    name = request.module.HOST
    with HOSTS[name](browser, tmp_path_factory.mktemp(f"{case.name}-{name}"), case) as page:
        page.name = name
        expect(page.page.get_by_text(case.pattern).first).to_be_visible(timeout=60 * SECONDS)
        yield page


def scatter_of(host):
    """The first scatter of the page that has points, and its canvas."""
    view = host.page.locator("section.cw-scatter").first
    canvas = view.locator("canvas.cw-over")
    canvas.scroll_into_view_if_needed()
    return view, canvas


def selected(view):
    """Number of selected rows that a view's summary tells."""
    found = re.search(r"([\d,]+) selected", view.locator(".cw-summary").inner_text())
    return int(found[1].replace(",", "")) if found else 0


def kernels_under(process):
    return [
        one
        for one in psutil.Process(process.pid).children(recursive=True)
        if "ipykernel" in " ".join(one.cmdline())
    ]


def pictures(host):
    """What is on every canvas that shows the selection of samples."""
    views = "section.cw-scatter canvas:not(.cw-over):visible, section.cw-histogram canvas:visible"
    return [one.screenshot() for one in host.page.locator(views).all()]


def darken(host, case):
    """The dark theme, as a person switches it on in each host."""
    page = host.page
    if host.name == "voila":
        page.goto(f"{host.address}?theme=dark", timeout=120 * SECONDS)
        expect(page.get_by_text(case.pattern).first).to_be_visible(timeout=60 * SECONDS)
    elif host.name == "saved":
        page.emulate_media(color_scheme="dark")
    else:
        page.get_by_role("menuitem", name="Settings", exact=True).click()
        # The items of Lab's menus have no role.
        for name in ("Theme", "JupyterLab Dark"):
            items = page.locator(".lm-Menu-item", has=page.get_by_text(name, exact=True))
            items.first.click()
        page.locator("body[data-jp-theme-light=false]").wait_for(state="attached")


class TestExplorer:
    def test_views_are_there_and_none_complains(self, host, case):
        sections = host.page.locator("section.cw")
        assert sections.count() >= 3
        for one in sections.all():
            assert one.get_attribute("aria-label")
        # The gallery plants one at a field.
        for alert in host.page.locator("section.cw > .cw-error, .cw-progress .cw-error").all():
            assert not alert.is_visible(), alert.inner_text()
        host.shoot(f"{case.name}-{host.name}")

    def test_brushing_is_linked_and_undone(self, host):
        view, canvas = scatter_of(host)
        canvas.press("Escape")
        drag(host.page, canvas)
        expect(view.locator(".cw-summary")).to_contain_text(re.compile(r"\d+ selected"))
        first = selected(view)
        assert first > 0
        histogram = host.page.locator("section.cw-histogram").first
        if histogram.count():
            expect(histogram.locator(".cw-summary")).to_contain_text(f"{first:,} selected")
        canvas.press("a")
        expect(view.locator(".cw-summary")).not_to_contain_text(f" {first:,} selected")
        canvas.press("Control+z")
        expect(view.locator(".cw-summary")).to_contain_text(f"{first:,} selected")
        canvas.press("Control+z")
        expect(view.locator(".cw-summary")).to_contain_text("none selected")
        canvas.press("Control+Shift+z")
        expect(view.locator(".cw-summary")).to_contain_text(f"{first:,} selected")

    def test_every_view_is_reached_by_keyboard(self, host):
        unreachable = host.page.evaluate(
            """() => [...document.querySelectorAll("section.cw")]
              .filter((one) => one.offsetParent)
              .filter((one) => !one.querySelector("[tabindex='0'], button, select, input"))
              .map((one) => one.getAttribute("aria-label"))"""
        )
        assert [one for one in unreachable if "progress" not in one.lower()] == []

    @pytest.mark.parametrize("size", SIZES)
    def test_fits(self, host, case, size):
        width, height = SIZES[size]
        # Lab's side bar takes half of a small window.
        host.page.set_viewport_size(
            {"width": width + 420 * (host.name == "lab" and size == "narrow"), "height": height}
        )
        for one in host.page.locator("section.cw").all():
            if one.is_visible():
                assert box_of(one)["width"] > 150
                assert one.evaluate("el => el.scrollWidth <= el.clientWidth + 1"), (
                    one.get_attribute("aria-label")
                )
        host.shoot(f"{case.name}-{host.name}-{size}")
        host.page.set_viewport_size({"width": 1400, "height": 1100})

    def test_nothing_left_the_machine_and_nothing_failed(self, host):
        inside = ("file://",)
        assert [url for url in host.outside() if not url.startswith(inside)] == []
        assert host.errors == []

    def test_axe_finds_nothing_serious(self, host):
        axe.bring(host.page)
        assert axe.wrong(host.page, "section.cw") == []

    def test_named_selections(self, host):
        bar = host.page.locator("section.cw-selection:visible").first
        if not bar.count():
            pytest.skip("this explorer has no selection bar")
        view, canvas = scatter_of(host)
        drag(host.page, canvas)
        expect(view.locator(".cw-summary")).to_contain_text(re.compile(r"[1-9]\d* selected"))
        n = selected(view)
        bar.get_by_role("textbox").first.fill("mine")
        bar.get_by_role("button", name="Keep", exact=False).first.click()
        expect(bar.get_by_text(re.compile("Kept .* as mine"))).to_be_visible()
        bar.get_by_role("button", name=re.compile("^Select all")).click()
        expect(view.locator(".cw-summary")).not_to_contain_text(f" {n:,} selected")
        bar.get_by_role("button", name=re.compile("^Select mine")).click()
        expect(view.locator(".cw-summary")).to_contain_text(f"{n:,} selected")
        bar.get_by_role("button", name=re.compile("^Undo")).click()
        expect(view.locator(".cw-summary")).not_to_contain_text(f" {n:,} selected")
        bar.get_by_role("button", name=re.compile("^Redo")).click()
        expect(view.locator(".cw-summary")).to_contain_text(f"{n:,} selected")

    # Saved files, which have no kernel, leave this and two others out.
    def test_the_code_came_once(self, host):
        piece = "Cancel the running work"
        assert (STATIC / "cutaway.js").read_text().count(piece) == 1
        assert host.times_received(piece) == 1

    def test_a_busy_kernel_holds_no_view_up(self, host):
        view, canvas = scatter_of(host)
        canvas.press("Escape")
        expect(view.locator(".cw-summary")).to_contain_text("none selected")
        before = pictures(host)
        for one in kernels_under(host.process):
            one.suspend()
        try:
            drag(host.page, canvas)
            expect(view.locator(".cw-summary")).to_contain_text(re.compile(r"[1-9]\d* selected"))
            n = f"{selected(view):,} selected"
            for one in host.page.locator("section.cw-histogram:visible .cw-summary").all():
                expect(one).to_contain_text(n)
            after = pictures(host)
            assert [a != b for a, b in zip(before, after, strict=True)] == [True] * len(before)
        finally:
            for one in kernels_under(host.process):
                one.resume()
        # Python hears of it once it can.
        text = re.compile(rf"^{selected(view):,} (samples|tokens) selected")
        expect(host.page.get_by_text(text).first).to_be_visible()

    def test_dark(self, host, case):
        darken(host, case)
        one = host.page.locator("section.cw:visible").first
        ground = one.evaluate("el => getComputedStyle(el).backgroundColor")
        assert sum(map(int, re.findall(r"\d+", ground)[:3])) < 200
        axe.bring(host.page)
        assert axe.wrong(host.page, "section.cw") == []
        host.shoot(f"{case.name}-{host.name}-dark")
        assert host.outside() == [] or host.name == "saved"

    def test_brushing_goes_on_without_a_kernel(self, host):
        for one in kernels_under(host.process):
            os.kill(one.pid, signal.SIGKILL)
        if host.name == "lab":
            # It marks every view when it notices, which moves them on the page.
            host.page.locator(".jupyter-widgets-disconnected").first.wait_for(state="attached")
            # It also says so in a dialog, which takes the keys until a hand closes it.
            told = host.page.locator(".jp-Dialog button.jp-mod-accept").first
            told.wait_for()
            told.click()
            host.page.locator(".jp-Dialog").first.wait_for(state="detached")
        _, canvas = scatter_of(host)
        view = host.page.locator("section.cw-scatter").first
        canvas.press("Escape")
        expect(view.locator(".cw-summary")).to_contain_text("none selected")
        drag(host.page, canvas)
        expect(view.locator(".cw-summary")).to_contain_text(re.compile(r"\d+ selected"))
        assert selected(view) > 0
