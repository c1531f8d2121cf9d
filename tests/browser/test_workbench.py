"""The workbench in Voilà and JupyterLab: open, pick, run, compare, save, reopen, take away."""

import re

import pytest
from hosts import HOSTS, Page
from mouse import box_of, drag

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser
SECONDS = 1000
READY = "section.cw-form"


# The dashboard is in Voilà in the quick tier.
@pytest.fixture(scope="class", params=["lab", pytest.param("voila", marks=pytest.mark.slow)])
def host(request, browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    with HOSTS[request.param](browser, folder, "workbench.ipynb", READY) as page:
        page.name, page.folder = request.param, folder
        if request.param == "lab":
            # The side bar takes half of the window.
            page.page.keyboard.press("Control+b")
        yield page


def tab(host, name):
    one = host.page.get_by_role("tab", name=name, exact=True).and_(
        host.page.locator(".cw-tabs [role=tab]")
    )
    one.click()
    expect(one).to_have_attribute("aria-selected", "true")


def field(host, name):
    return host.page.locator(f".cw-form [name={name}]:visible")


def press(host, name):
    host.page.locator(".cw-bench-side").get_by_role("button", name=name, exact=True).click()


def cards(host):
    return host.page.locator(".cw-bench-card:visible")


def steps(host):
    found = host.page.locator(".cw-step").all()
    return ["now" if "cw-now" in (one.get_attribute("class") or "") else "" for one in found]


def settle(host, *words):
    """Wait until the bar says that the work with this name is done."""
    for word in words:
        line = host.page.locator(".cw-progress .cw-words", has_text=re.compile(rf"{word}.*Done"))
        expect(line).to_be_visible(timeout=120 * SECONDS)


MOST = [(0.2, 0.15), (0.85, 0.15), (0.85, 0.8), (0.2, 0.8), (0.2, 0.17)]


def pick_most(host, scatter):
    """Drag a loop around most points; returns how many were selected."""
    drag(host.page, scatter.locator("canvas.cw-over"), MOST)
    found = scatter.get_by_text(re.compile(r"[1-9]\d* selected"))
    expect(found).to_be_visible()
    return int(re.search(r"(\d+) selected", found.inner_text())[1])


class TestWorkbench:
    def test_the_first_screen_says_what_to_do(self, host):
        expect(host.page.get_by_text("Look inside a trained network.")).to_be_visible()
        assert steps(host) == ["now", "", "", ""]
        host.shoot(f"workbench-{host.name}-start")

    def test_panels_switch_in_the_browser(self, host):
        tree = host.page.locator("section.cw-tree")
        expect(tree).to_be_hidden()
        tab(host, "Lens")
        expect(tree).to_be_visible()
        expect(field(host, "limit")).to_have_count(0)
        host.page.keyboard.press("ArrowLeft")
        expect(field(host, "limit")).to_be_visible()

    def test_a_bad_value_is_said_at_its_field(self, host):
        field(host, "limit").fill("many")
        press(host, "Open")
        line = host.page.get_by_text("limit must be a whole number, 1 or more, got many")
        expect(line).to_be_visible()
        expect(field(host, "limit")).to_have_attribute("aria-invalid", "true")
        field(host, "limit").fill("200")
        expect(line).to_be_hidden()

    def test_opens_by_enter(self, host):
        field(host, "limit").press("Enter")
        title = re.compile(r"lenet5-digits on 200 samples of digits/test, accuracy 9\d")
        expect(host.page.get_by_text(title)).to_be_visible(timeout=90 * SECONDS)
        settle(host, "open")
        expect(host.page.get_by_role("treeitem", name=re.compile("conv1"))).to_be_visible()
        assert steps(host) == ["", "now", "", ""]

    def test_runs_a_lens_on_picked_layers(self, host):
        host.page.get_by_role("treeitem", name=re.compile("^conv1")).click()
        expect(host.page.get_by_text("1 layer, 6 units")).to_be_visible()
        expect(host.page.locator("section.cw-cost:visible")).to_contain_text("307.2 kB")
        field(host, "seed").fill("1")
        press(host, "Run")
        expect(cards(host)).to_have_count(1, timeout=90 * SECONDS)
        settle(host, "screen")
        expect(cards(host).get_by_text("screen: conv1 of lenet5-digits (seed 1)")).to_be_visible()
        expect(cards(host).locator("section.cw-scatter")).to_be_visible()
        expect(host.page.locator(".cw-error:visible")).to_have_count(0)

    def test_a_second_lens_stands_beside_on_the_same_samples(self, host):
        field(host, "lens").select_option("project")
        expect(field(host, "method")).to_be_visible()
        press(host, "Run")
        expect(cards(host)).to_have_count(2, timeout=90 * SECONDS)
        settle(host, "project")
        plane = cards(host).first.locator("section.cw-scatter")
        n = pick_most(host, plane)
        assert 20 < n < 200
        for one in cards(host).locator("section.cw-scatter").all():
            expect(one.get_by_text(f"{n} selected")).to_be_visible()
        expect(host.page.get_by_text(f"{n} samples selected:")).to_be_visible()
        assert steps(host) == ["", "", "", ""]
        host.shoot(f"workbench-{host.name}-two")

    def test_compares_with_a_checkpoint(self, host):
        field(host, "lens").select_option("screen")
        expect(field(host, "k_max")).to_be_visible()
        tab(host, "Compare")
        field(host, "model").select_option("lenet5-digits-overfit")
        field(host, "checkpoint").fill("5")
        press(host, "Compare")
        expect(host.page.get_by_text("What differs: A lenet5-digits, B")).to_be_visible(
            timeout=120 * SECONDS
        )
        settle(host, "compare")
        expect(host.page.get_by_text("6 filters matched.")).to_be_visible()
        host.shoot(f"workbench-{host.name}-compare")

    def test_saves_and_opens_the_session_again(self, host):
        titles = cards(host).locator(".cw-actions .cw-title")
        before = [one for one in titles.all_inner_texts() if not one.startswith("What")]
        tab(host, "Session")
        field(host, "name").fill("first")
        press(host, "Save")
        expect(host.page.get_by_text("Saved as first.")).to_be_visible()
        found = list(host.folder.rglob("cutaway-sessions/first/workspace.json"))
        assert len(found) == 1
        expect(field(host, "session")).to_have_value("first")
        host.page.locator(".cw-form:has([name=session]) [type=submit]").click()
        settle(host, "open first")
        expect(cards(host)).to_have_count(3)
        assert sorted(titles.all_inner_texts()) == sorted(before)

    def test_code_is_shown_and_the_table_downloads(self, host):
        tab(host, "Session")
        press(host, "Code: Python that makes these results again")
        expect(host.page.locator(".cw-code")).to_contain_text("ct.screen_filters(")
        with host.page.expect_download() as waiting:
            press(host, "CSV: The newest result as a table")
        file = host.folder / waiting.value.suggested_filename
        waiting.value.save_as(file)
        assert file.read_text().startswith("site,unit,")

    def test_an_edit_is_measured_beside_random_ones_and_undone(self, host):
        tab(host, "Edit")
        field(host, "units").fill("conv1:0, nowhere")
        press(host, "Apply and measure")
        expect(host.page.get_by_text("units must be names of units, got 'nowhere'")).to_be_visible()
        field(host, "units").fill("conv1:0")
        field(host, "controls").fill("5")
        press(host, "Apply and measure")
        card = cards(host).filter(has_text="effect: Zero conv1: 0 of lenet5-digits")
        expect(card).to_be_visible(timeout=60 * SECONDS)
        settle(host, "edit Zero conv1: 0")
        expect(card.get_by_text("Of 5 random edits of as many units")).to_be_visible()
        expect(card.locator("section.cw-histogram")).to_have_count(2)
        host.shoot(f"workbench-{host.name}-edit")
        press(host, "Undo: Take the last change back")
        expect(host.page.get_by_text("No edit is in force.")).to_be_visible()

    def test_some_samples_are_explained_on_the_same_selection(self, host):
        tab(host, "Lens")
        field(host, "lens").select_option("attribute")
        field(host, "samples").select_option("all")
        field(host, "limit").fill("6")
        field(host, "steps").fill("5")
        press(host, "Run")
        card = cards(host).filter(has_text="Where each answer comes from")
        expect(card).to_be_visible(timeout=60 * SECONDS)
        settle(host, "attribute 6 samples")
        expect(card.get_by_text(re.compile("6 samples shown"))).to_be_visible()
        host.shoot(f"workbench-{host.name}-attribute")

    def test_the_page_downloads_and_lives_without_a_kernel(self, host, browser):
        tab(host, "Session")
        with host.page.expect_download(timeout=60 * SECONDS) as waiting:
            press(host, "HTML page: One file that shows these results without a kernel")
        file = host.folder / "page.html"
        waiting.value.save_as(file)
        saved = Page(browser, offline=True)
        saved.page.goto(file.as_uri())
        saved.page.locator("#cutaway[data-ready=yes]").wait_for()
        saved.name = "saved"
        tab(saved, "Lens")
        expect(saved.page.locator("section.cw-tree")).to_be_visible()
        expect(field(saved, "steps")).to_be_disabled()
        tab(saved, "Open")
        expect(saved.page.locator("section.cw-tree")).to_be_hidden()
        scatters = saved.page.locator("section.cw-scatter")
        n = pick_most(saved, scatters.first)
        for one in scatters.all():
            expect(one.get_by_text(re.compile(rf"\b{n} selected"))).to_be_visible()
        saved.shoot(f"workbench-{host.name}-saved")
        assert saved.errors == []
        assert [url for url in saved.outside() if not url.startswith("file:")] == []
        saved.close()

    def test_a_narrow_window_keeps_every_part(self, host):
        width = {"voila": 480, "lab": 700}[host.name]
        host.page.set_viewport_size({"width": width, "height": 900})
        for part in (".cw-bench-side", ".cw-bench-card", "section.cw-guide"):
            box = box_of(host.page.locator(part).first)
            assert box["width"] > 200
            assert box["x"] + box["width"] <= width + 1
        host.shoot(f"workbench-{host.name}-narrow")
        host.page.set_viewport_size({"width": 1400, "height": 1100})

    def test_no_request_left_the_machine_and_nothing_failed(self, host):
        assert host.outside() == []
        assert host.errors == []
