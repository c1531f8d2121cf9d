"""The dashboard in a real browser, in Voilà and in JupyterLab: one scenario, both hosts."""

import re

import pytest
from hosts import HOSTS, voila
from mouse import box_of, drag

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser
SECONDS = 1000
FILTERS = "Filters, most anomalous first"


# The workbench, whose scenario is longer, is in JupyterLab in the quick tier.
@pytest.fixture(scope="class", params=["voila", pytest.param("lab", marks=pytest.mark.slow)])
def host(request, browser, tmp_path_factory):
    with HOSTS[request.param](browser, tmp_path_factory.mktemp(request.param)) as page:
        page.name = request.param
        yield page


def view(host, title):
    """The view whose accessible name holds `title`."""
    return host.page.locator(f"section.cw[aria-label*='{title}']")


def settle(host):
    expect(view(host, "Screen").get_by_text(re.compile("Done"))).to_be_visible(
        timeout=120 * SECONDS
    )


class TestDashboard:
    def test_shows_model_data_layers_filters_samples_and_outliers(self, host):
        page = host.page
        expect(
            page.get_by_text(re.compile(r"lenet5-digits on 1,000 samples.*9\d\.\d%"))
        ).to_be_visible()
        settle(host)
        expect(
            view(host, "Layers").get_by_role("treeitem", name=re.compile("conv2"))
        ).to_be_visible()
        expect(view(host, FILTERS).get_by_text("22 units, 1 selected")).to_be_visible()
        expect(view(host, "Outlier samples").get_by_role("option").first).to_be_visible()
        for alert in page.locator(".cw-error, .cw-veil").all():
            assert not alert.is_visible(), alert.inner_text()
        host.shoot(f"{host.name}-light")

    def test_picking_a_filter_shows_its_samples(self, host):
        rows = view(host, FILTERS).locator(".cw-sheet [role=row]")
        site, unit = rows.nth(3).get_by_role("gridcell").all_inner_texts()[:2]
        rows.nth(3).click()
        title = f"Samples of {site}, filter {unit}"
        expect(view(host, title)).to_be_visible()
        expect(
            host.page.get_by_text(re.compile(rf"{site} unit {unit}: .*outliers?"))
        ).to_be_visible()

    def test_outliers_are_ranked_by_their_tail(self, host):
        names = view(host, "Outlier samples").get_by_role("option")
        tails = [
            float(name.rsplit("·", 1)[1])
            for name in (one.get_attribute("aria-label") for one in names.all()[:8])
        ]
        assert tails == sorted(tails, reverse=True)
        assert tails[0] > 1

    def test_lasso_selects_in_every_view_and_in_python(self, host):
        scatter = view(host, "Samples of")
        drag(host.page, scatter.locator("canvas.cw-over"))
        selected = scatter.get_by_text(re.compile(r"\d+ selected"))
        expect(selected).to_be_visible()
        count = re.search(r"([\d,]+) selected", selected.inner_text())[1]
        assert 10 < int(count.replace(",", "")) < 1000
        # The line below the scatter is written by Python.
        expect(
            host.page.get_by_text(re.compile(rf"^{count} samples selected: \d+ of class \d"))
        ).to_be_visible()
        grid = view(host, "Outlier samples")
        grid.get_by_role("radio", name=re.compile("[Ss]elect")).click()
        expect(grid.get_by_role("option").first).to_have_attribute("aria-selected", "true")
        host.shoot(f"{host.name}-selected")
        scatter.locator("canvas.cw-over").press("Escape")
        expect(host.page.get_by_text("No samples selected")).to_be_visible()

    @pytest.mark.parametrize("column", ["class", "prediction", "loss", "cluster"])
    def test_colours_by(self, host, column):
        scatter = view(host, "Samples of")
        scatter.get_by_label("Colour by").select_option(label=column)
        before = scatter.locator("canvas").first.screenshot()
        assert len(set(before)) > 50

    def test_cancel_stops_a_screen_and_the_next_one_runs(self, host):
        tree = view(host, "Layers")
        for name in ("fc1", "tanh1", "tanh2", "tanh3"):
            tree.get_by_role("treeitem", name=re.compile(rf"^{name}\b")).click()
        host.page.get_by_role("button", name="Screen picked layers").click()
        progress = view(host, "Screen")
        progress.get_by_role("button", name=re.compile("Cancel")).click()
        expect(progress.get_by_text(re.compile("[Cc]ancelled"))).to_be_visible()
        expect(view(host, FILTERS).get_by_text("22 units")).to_be_visible()
        for name in ("conv1", "fc1", "tanh1", "tanh2", "tanh3"):
            tree.get_by_role("treeitem", name=re.compile(rf"^{name}\b")).click()
        host.page.get_by_role("button", name="Screen picked layers").click()
        expect(view(host, FILTERS).get_by_text("16 units, 1 selected")).to_be_visible(
            timeout=60 * SECONDS
        )

    def test_an_empty_pick_says_what_to_do(self, host):
        tree = view(host, "Layers")
        tree.get_by_role("treeitem", name=re.compile(r"^conv2\b")).click()
        host.page.get_by_role("button", name="Screen picked layers").click()
        expect(host.page.get_by_text("Pick at least one layer in the tree")).to_be_visible()

    def test_switching_a_filter_off_and_undo(self, host):
        page = host.page
        view(host, FILTERS).locator(".cw-sheet [role=row]").first.click()
        page.get_by_role("tab", name="Switch off").click()
        page.get_by_role("button", name="Switch the picked filters off").click()
        said = page.get_by_text(re.compile(r"Accuracy 9\d\.\d% → \d+\.\d%"))
        expect(said).to_be_visible(timeout=60 * SECONDS)
        expect(page.get_by_text(re.compile(r"random draws of as many filters"))).to_be_visible()
        colours = view(host, "Samples of").get_by_label("Colour by")
        expect(colours).to_have_value("correct after")
        expect(view(host, "Picked filters among random ones")).to_be_visible()
        host.shoot(f"{host.name}-switched-off")
        buttons = page.locator("section.cw-actions")
        buttons.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("No filter is switched off")).to_be_visible()
        expect(colours.locator("option", has_text="correct after")).to_have_count(0)
        buttons.get_by_role("button", name="Redo").click()
        expect(said).to_be_visible()
        buttons.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("No filter is switched off")).to_be_visible()

    def test_samples_picked_in_the_heat_map_rank_the_filters(self, host):
        page = host.page
        page.get_by_role("tab", name="Filters × samples").click()
        heat = view(host, "How odd each filter finds each sample")
        box = box_of(heat.locator("canvas").last)
        heat.scroll_into_view_if_needed()
        box = box_of(heat.locator("canvas").last)
        mouse = page.mouse
        mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
        mouse.down()
        mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"], steps=6)
        mouse.up()
        expect(
            page.get_by_text(re.compile(r"filters hold the \d+ selected samples"))
        ).to_be_visible()
        apart = view(host, "Filters that set these samples apart")
        expect(apart.locator(".cw-sheet [role=row]").first).to_be_visible()
        page.get_by_role("tab", name="Feature maps").click()
        expect(view(host, "Feature maps of")).to_be_visible()
        host.shoot(f"{host.name}-maps")
        scatter = view(host, "Samples of")
        scatter.locator("canvas.cw-over").press("Escape")

    def test_a_narrow_window_keeps_every_view(self, host):
        # Lab's side bar takes half of a small window.
        width = {"voila": 480, "lab": 900}[host.name]
        host.page.set_viewport_size({"width": width, "height": 900})
        for title in ("Layers", FILTERS, "Samples of", "Outlier samples"):
            box = box_of(view(host, title))
            assert box["width"] > 200
        host.shoot(f"{host.name}-narrow")
        host.page.set_viewport_size({"width": 1400, "height": 1100})

    def test_no_request_left_the_machine_and_nothing_failed(self, host):
        assert host.outside() == []
        assert host.errors == []


@pytest.mark.slow  # the gallery is looked at in the dark in the quick tier
def test_dark_theme(browser, tmp_path):
    with voila(browser, tmp_path) as host:
        host.page.goto(f"{host.address}?theme=dark", timeout=120_000)
        view(host, FILTERS).get_by_role("gridcell").first.wait_for(timeout=120_000)
        settle(host)
        background = host.page.evaluate("getComputedStyle(document.body).backgroundColor")
        red, green, blue = map(int, re.findall(r"\d+", background)[:3])
        assert red + green + blue < 200
        host.shoot("voila-dark")
        assert host.outside() == []
