"""Undo, kept selections and saved files in a real browser, without a kernel."""

import csv
import io

import numpy as np
import pytest
from mouse import box_of, drag, press
from PIL import Image
from static_page import of, open_views, snapshot
from static_scene import N, selected
from static_scene import scene as planted

import cutaway_widgets as cw
from cutaway.core import Index

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser

LEFT = [(0.05, 0.02), (0.55, 0.02), (0.55, 0.88), (0.05, 0.88)]
MAIN, SMALL = list(range(160)), list(range(160, N))
scene = planted


@pytest.fixture
def bar(scene):
    return cw.SelectionBar(scene.samples, title="Selection of samples")


@pytest.fixture
def page(browser, scene, bar):
    page = open_views(browser, [bar, scene.scatter, scene.histogram, scene.table])
    yield page
    assert page.strays == []
    page.context.close()


def scatter_canvas(page, scene):
    return of(page, scene.scatter).locator("canvas.cw-over")


def downloaded(page, act):
    """Bytes and name of the file that a click saves."""
    with page.expect_download() as started:
        act()
    return started.value.path().read_bytes(), started.value.suggested_filename


def saved(page, view, item):
    of(page, view).get_by_role("button", name="Save this view").click()
    choice = of(page, view).get_by_role("menuitem", name=item)
    return downloaded(page, choice.click)


class TestUndo:
    def test_goes_back_and_forth_through_the_steps_of_all_views(self, page, scene):
        canvas = scatter_canvas(page, scene)
        drag(page, canvas, LEFT)
        histogram = of(page, scene.histogram).locator("canvas")
        drag(page, histogram, [(0.6, 0.5), (0.7, 0.5), (0.8, 0.5), (0.99, 0.5)])
        brushed = selected(page, scene.samples)
        canvas.press("i")
        inverted = selected(page, scene.samples)
        assert 0 < len(brushed) < N
        # The brush told its range at every move, and is one step all the same.
        for rows in (brushed, MAIN, []):
            histogram.press("Control+z")
            assert selected(page, scene.samples) == rows
        histogram.press("Control+z")
        assert selected(page, scene.samples) == []
        for key, rows in [("Control+y", MAIN), ("Control+Shift+z", brushed), ("Meta+y", inverted)]:
            canvas.press(key)
            assert selected(page, scene.samples) == rows
        of(page, scene.scatter).get_by_text(f"{len(inverted)} selected").wait_for()

    def test_takes_back_what_the_kernel_selected(self, page, scene):
        drag(page, scatter_canvas(page, scene), LEFT)
        page.evaluate(
            "id => { const m = window.models[id]; const b = new Uint8Array(30); b[0] = 9;"
            " m.set('_by', 'code'); m.set('_step', -1); m.set('_mask', new DataView(b.buffer)); }",
            scene.samples.model_id,
        )
        assert selected(page, scene.samples) == [0, 3]
        scatter_canvas(page, scene).press("Control+z")
        assert selected(page, scene.samples) == MAIN

    def test_is_of_one_axis_and_leaves_typed_words_to_the_browser(self, page, scene):
        drag(page, scatter_canvas(page, scene), LEFT)
        table = of(page, scene.table)
        table.locator(".cw-tr").nth(1).click()
        table.get_by_role("grid").press("Control+z")
        assert selected(page, scene.units) == []
        assert selected(page, scene.samples) == MAIN
        table.get_by_role("grid").press("Control+y")
        query = table.get_by_role("searchbox")
        query.press_sequentially("conv1")
        query.press("Control+z")
        assert selected(page, scene.units) == [4]
        assert query.input_value() != "conv1"

    def test_keeps_the_key_from_the_host(self, page, scene):
        page.evaluate("() => { window.heard = []; document.addEventListener('keydown',"
                      " (e) => window.heard.push(e.key)); }")  # fmt: skip
        canvas = scatter_canvas(page, scene)
        for key in ("Control+z", "Control+Shift+z", "Control+y", "Control+s"):
            canvas.press(key)
        heard = page.evaluate("window.heard.filter((key) => key.length === 1)")
        assert heard == ["s"]

    def test_stops_at_a_change_of_rows(self, page, scene):
        drag(page, scatter_canvas(page, scene), LEFT)
        page.evaluate(
            "id => { const m = window.models[id]; m.state._of = 'new';"
            " m.state._mask = new DataView(new ArrayBuffer(30)); m.set('digest', 'new'); }",
            scene.samples.model_id,
        )
        scatter_canvas(page, scene).press("Control+z")
        assert selected(page, scene.samples) == []


class TestBar:
    def test_counts_undoes_and_selects_all_none_and_the_rest(self, page, scene, bar):
        view = of(page, bar)
        undo, redo = (view.get_by_role("button", name=one, exact=False) for one in ("Undo", "Redo"))
        expect(undo).to_have_attribute("aria-disabled", "true")
        view.get_by_role("button", name="Select all samples").click()
        view.get_by_text("240 of 240 samples selected").wait_for()
        drag(page, scatter_canvas(page, scene), LEFT)
        view.get_by_text("160 of 240 samples selected").wait_for()
        view.get_by_role("button", name="Select what is not selected").click()
        assert selected(page, scene.samples) == SMALL
        undo.click()
        assert selected(page, scene.samples) == MAIN
        redo.click()
        assert selected(page, scene.samples) == SMALL
        view.get_by_role("button", name="Select nothing").click()
        view.get_by_text("0 of 240 samples selected").wait_for()
        expect(redo).to_have_attribute("aria-disabled", "true")

    def test_keeps_selections_and_combines_them_as_sets(self, page, scene, bar):
        view = of(page, bar)
        drag(page, scatter_canvas(page, scene), LEFT)
        view.get_by_label("Name under which").fill(" main cluster ")
        view.get_by_label("Name under which").press("Enter")
        view.get_by_text("Kept 160 samples as main cluster.").wait_for()
        kept = view.get_by_role("list", name="Kept selections").get_by_role("listitem")
        expect(kept).to_have_count(1)
        drag(page, of(page, scene.histogram).locator("canvas"), [(0.5, 0.5), (0.99, 0.5)])
        high = set(selected(page, scene.samples))
        assert high & set(MAIN)
        assert high - set(MAIN)
        for way, rows in [
            ("and", high & set(MAIN)),
            ("or", high | set(MAIN)),
            ("minus", high - set(MAIN)),
            ("Select", set(MAIN)),
        ]:
            view.get_by_role("button", name=f"{way} main cluster", exact=False).click()
            assert selected(page, scene.samples) == sorted(rows)
            view.get_by_role("button", name="Undo").click()
            assert set(selected(page, scene.samples)) == high
        named = page.evaluate(
            "id => window.models[id].get('_named').map((one) => [one.name, one.by])",
            scene.samples.model_id,
        )
        assert named == [["main cluster", "scatter"]]

    def test_is_worked_by_keys_alone(self, page, scene, bar):
        view = of(page, bar)
        scatter_canvas(page, scene).press("a")
        name = view.get_by_label("Name under which")
        name.focus()
        page.keyboard.type("all")
        page.keyboard.press("Enter")
        expect(view.get_by_label("Select all: select it")).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        focused = "document.activeElement.getAttribute('aria-label')"
        assert page.evaluate(focused) == "Select all: select it"
        for _ in range(4):
            page.keyboard.press("Tab")
        assert page.evaluate(focused) == "Rename all"
        page.keyboard.press("Enter")
        expect(view.get_by_label("New name of all")).to_be_focused()
        page.keyboard.type("everything")
        page.keyboard.press("Enter")
        expect(view.get_by_role("button", name="Rename everything")).to_be_focused()
        page.keyboard.press("Enter")
        page.keyboard.type("something else")
        page.keyboard.press("Escape")
        expect(view.get_by_role("button", name="Rename everything")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        view.get_by_text("Forgot everything.").wait_for()
        expect(view.get_by_role("listitem")).to_have_count(0)
        expect(name).to_be_focused()

    def test_says_why_nothing_is_kept_or_saved(self, page, bar):
        view = of(page, bar)
        # It can be pressed although it cannot act: a person who does learns why.
        press(view.get_by_role("button", name="Keep"))
        view.get_by_text("Nothing is selected yet.").wait_for()
        view.get_by_role("button", name="Select all").click()
        press(view.get_by_role("button", name="Keep"))
        view.get_by_text("Give it a name first.").wait_for()
        expect(view.get_by_label("Name under which")).to_be_focused()

    def test_saves_the_selected_ids(self, page, scene, bar):
        drag(page, scatter_canvas(page, scene), LEFT)
        button = of(page, bar).get_by_role("button", name="Save the selected ids")
        raw, name = downloaded(page, button.click)
        assert name == "selected-samples.csv"
        assert raw.decode() == "sample\n" + "".join(f"s{i:03d}\n" for i in MAIN)

    def test_says_which_kept_selections_went_with_their_rows(self, browser):
        link = cw.Link(Index.count(4))
        link.keep("odd", [1, 3])
        link.set_index(Index.count(5))
        bar = cw.SelectionBar(link)
        with open_views(browser, [bar], width=420) as page:
            of(page, bar).get_by_text(
                "Kept selections of the samples before are gone: odd."
            ).wait_for()
            snapshot(page, "selection-bar-narrow")


class TestSave:
    def test_a_table_is_saved_as_it_is_shown(self, page, scene):
        table = of(page, scene.table)
        table.get_by_role("searchbox").fill("conv1")
        table.locator(".cw-tr").nth(1).click()
        raw, name = saved(page, scene.table, "Table")
        lines = list(csv.DictReader(io.StringIO(raw.decode())))
        assert name == "filters.csv"
        assert [one["unit"] for one in lines] == ["1", "2", "0"]
        assert [one["score (rank)"] for one in lines] == ["0.9", "0.5", "0.2"]
        assert [one["p"] for one in lines] == ["1e-7", "0.031", "0.5"]
        assert [one["selected"] for one in lines] == ["0", "1", "0"]
        of(page, scene.table).get_by_text("Saved filters.csv.").wait_for()

    def test_a_picture_holds_the_canvases_the_words_and_the_ground(self, page, scene):
        raw, name = saved(page, scene.scatter, "Picture")
        shown = box_of(of(page, scene.scatter).locator(".cw"))
        picture = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).astype(int)
        assert name == "samples-of-one-filter.png"
        assert picture.shape[1] == round(shown["width"])
        assert (picture[0, 0] == 255).all()

        def near(colour):
            return (abs(picture - colour).max(axis=2) < 40).sum()

        # Points and swatches of both clusters, Okabe-Ito blue and orange.
        assert near((0, 114, 178)) > 1000
        assert near((230, 159, 0)) > 500
        # The title at the top, in ink.
        assert (picture[:30].sum(axis=2) < 200).sum() > 100

    def test_a_view_of_elements_is_a_picture_too(self, page, scene):
        of(page, scene.table).locator(".cw-tr").nth(1).click()
        page.mouse.move(0, 0)
        raw, _ = saved(page, scene.table, "Picture")
        picture = np.asarray(Image.open(io.BytesIO(raw)).convert("L")).astype(int)
        rows = of(page, scene.table).locator(".cw-tr").all()
        head = box_of(of(page, scene.table).locator(".cw-head"))
        top = head["y"] + head["height"]
        for row in rows:
            box = box_of(row)
            y, x = round(box["y"] - top + 30), round(box["x"] - head["x"]) + 8
            # Words of the first cell.
            assert (picture[y + 2 : y + 24, x : x + 60] < 110).sum() > 20

    def test_the_menu_is_worked_by_keys(self, page, scene):
        opener = of(page, scene.table).get_by_role("button", name="Save this view")
        opener.focus()
        page.keyboard.press("Enter")
        expect(opener).to_have_attribute("aria-expanded", "true")
        first = of(page, scene.table).get_by_role("menuitem", name="Picture")
        expect(first).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Escape")
        expect(opener).to_be_focused()
        expect(opener).to_have_attribute("aria-expanded", "false")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        raw, _ = downloaded(page, lambda: page.keyboard.press("Enter"))
        assert raw.startswith((b"unit,site,", b"site,"))
        opener.click()
        page.mouse.click(3, 3)
        expect(opener).to_have_attribute("aria-expanded", "false")
