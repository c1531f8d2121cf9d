"""The complexity explorer as people use it: slider, layer, feature, with and without a kernel."""

import re

import pytest
from explorers import CASES
from hosts import Page, voila

import cutaway_widgets as cw

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser
CASE = next(one for one in CASES if one.name == "complexity")
LONG = 60_000


def bars(page):
    return page.locator("section.cw-bars:visible").first


def test_in_a_saved_page_the_slider_moves_bars_and_curves(browser, tmp_path):
    view = CASE.make()
    path = cw.export_html(view, tmp_path / "page.html", title="Complexity")
    notes, last = list(view.bars._notes), view.workspace.results["complexity"].betas[-1]
    view.close()
    opened = Page(browser, offline=True)
    page = opened.page
    page.goto(path.as_uri())
    slider = bars(page).get_by_role("slider")
    slider.press("Home")
    expect(bars(page).locator(".cw-bars-note")).to_have_text(notes[0])
    expect(bars(page).locator(".cw-bars-amount").last).to_have_text("84 of 84")
    slider.press("End")
    expect(bars(page).locator(".cw-bars-note")).to_have_text(notes[-1])
    lines = page.locator("section.cw-lines:visible")
    assert lines.count() == 2
    for one in lines.all():
        expect(one.locator(".cw-summary")).to_contain_text(f"cursor at beta {last:.4f}")
    assert opened.errors == []
    opened.close()


def test_with_a_kernel_the_slider_merges_and_a_feature_shows_its_members(browser, tmp_path):
    with voila(browser, tmp_path, CASE.notebook(tmp_path), ready="section.cw") as opened:
        page = opened.page
        expect(page.get_by_text(CASE.pattern).first).to_be_visible(timeout=LONG)
        slider = bars(page).get_by_role("slider")
        slider.press("End")
        beta = slider.get_attribute("aria-valuetext").split()[1]
        expect(page.get_by_text(re.compile(f"^Merged at beta {beta[:4]}"))).to_be_visible(
            timeout=LONG
        )
        bars(page).get_by_role("option", name=re.compile("^conv2")).click()
        table = page.locator("section.cw-table:visible").first
        expect(table.get_by_text("Merged features of conv2")).to_be_visible(timeout=LONG)
        line = table.locator(".cw-tr").last
        units = line.locator("> div").last.inner_text().split(", ")
        line.click()
        members = page.get_by_text(
            re.compile(rf"^conv2, units {', '.join(units[:12])}.*correlate by")
        )
        expect(members).to_be_visible(timeout=LONG)
        grids = page.locator("section.cw-grid:visible").filter(has_text="Top samples of conv2:")
        expect(grids).to_have_count(min(len(units), 4))
        tree = page.locator("section.cw-tree:visible [role=treeitem][aria-checked=true]")
        expect(tree).to_contain_text("conv2")
        opened.shoot("complexity-members")
        page.get_by_role("tab", name="Download").click()
        with page.expect_download() as taken:
            page.get_by_role("button", name=re.compile("^Clusters")).click()
        assert taken.value.suggested_filename.endswith("-clusters.json")
        page.get_by_role("tab", name="Compare").click()
        expect(page.get_by_text("There is nothing to compare with")).to_be_visible()
        assert opened.errors == []
