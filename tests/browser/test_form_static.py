"""Forms, tabs, buttons, guide and files on pages without a kernel: mouse, keyboard, axe."""

import ipywidgets
import pytest
from static_page import of, snapshot
from test_axe import LOOKS, opened, wrong

import cutaway_widgets as cw

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser

FIELDS = (
    cw.Field("lens", "choice", "screen", "What to run", options=("screen", "project")),
    cw.Field("k_max", "whole", 5, low=1, high=20, help="Most components tried."),
    cw.Field("tau", "number", 0.05, low=0, high=0.5, unit="of samples"),
    cw.Field("labels", "check", default=False, help="Use the data's own classes."),
    cw.Field("site", "text", None, optional=True),
)


def form():
    one = cw.Form(FIELDS, submit="Run", title="Lens")
    one.blame("tau must lie in 0..0.5, got 2; choose a value in this range")
    return one


def file():
    one = cw.Download(title="Code")
    one.offer("import cutaway as ct\n", "session.py", mime="text/x-python", show=True)
    return one


def guide():
    states = ("done", "now", "later", "later")
    return cw.Guide(
        [cw.Step(f"Step {one}", "What to do.", one) for one in states],
        title="First steps", example="Show me an example",
    )  # fmt: skip


def tabs():
    panels = {name: ipywidgets.VBox() for name in ("open", "lens", "more")}
    return cw.Choice(list(panels), panels=panels, title="Panels")


def buttons():
    return cw.Actions(
        [
            cw.Action("keep", "Keep", "Leave it", pressed=True),
            cw.Action("close", "Close", enabled=False),
            cw.Action("go", "Go", primary=True),
        ],
        title="A result", caption="screen · lenet5 · digits",
    )  # fmt: skip


VIEWS = {"form": form, "file": file, "guide": guide, "tabs": tabs, "buttons": buttons}


def state(page, view, name):
    return page.evaluate("([id, name]) => window.models[id].get(name)", [view.model_id, name])


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious(browser, look):
    views = [make() for make in VIEWS.values()]
    page = opened(browser, views, **LOOKS[look])
    for view in views:
        assert wrong(page, view) == []
    snapshot(page, f"forms-{look}")
    assert page.strays == []
    page.context.close()


class TestForm:
    @pytest.fixture
    def page(self, browser):
        self.view = form()
        page = opened(browser, [self.view], width=420)
        yield page
        assert page.strays == []
        page.context.close()

    def test_enter_submits_all_values(self, page):
        page.get_by_label("k_max").fill("7")
        page.get_by_label("tau").fill("0.1")
        page.get_by_label("labels").check()
        page.get_by_label("k_max").press("Enter")
        assert state(page, self.view, "_submits") == 1
        assert state(page, self.view, "_values") == {
            "lens": "screen", "k_max": "7", "tau": "0.1", "labels": True, "site": "",
        }  # fmt: skip
        assert state(page, self.view, "_errors") == {}

    def test_a_bad_value_is_said_where_it_is_and_holds_the_rest_back(self, page):
        line = page.get_by_text("k_max must be a whole number from 1 to 20, got many; e.g. 5")
        page.get_by_label("k_max").fill("many")
        expect(line).to_be_hidden()
        page.get_by_label("tau").fill("0.1")
        expect(line).to_be_visible()
        page.get_by_role("button", name="Run").click()
        assert state(page, self.view, "_submits") == 0
        expect(page.get_by_label("k_max")).to_be_focused()
        expect(page.get_by_label("k_max")).to_have_attribute("aria-invalid", "true")

    def test_one_click_is_enough_after_an_error_is_corrected(self, page):
        # The error goes while typing: were it to go when the field is left, the button would move
        # away from the pointer that presses it.
        page.get_by_label("tau").fill("0.2")
        expect(page.get_by_text("tau must lie in")).to_be_hidden()
        page.get_by_role("button", name="Run").click()
        assert state(page, self.view, "_submits") == 1

    def test_reset_brings_the_defaults_back(self, page):
        page.get_by_label("k_max").fill("9")
        page.get_by_label("k_max").press("Tab")
        page.get_by_role("button", name="Reset").click()
        expect(page.get_by_label("k_max")).to_have_value("5")
        expect(page.get_by_role("button", name="Reset")).to_be_hidden()

    def test_keys_stay_in_the_form(self, page):
        page.evaluate("window.keys = []; addEventListener('keydown', (e) => keys.push(e.key))")
        page.get_by_label("site").press("a")
        page.get_by_label("site").press("Enter")
        assert page.evaluate("window.keys") == []

    def test_busy_holds_the_button(self, page):
        page.evaluate("id => window.models[id].set('busy', true)", self.view.model_id)
        expect(page.get_by_role("button", name="Run")).to_be_disabled()
        page.get_by_label("tau").fill("0.1")
        page.get_by_label("tau").press("Enter")
        assert state(page, self.view, "_submits") == 0


def test_tabs_by_mouse_and_keys(browser):
    view = tabs()
    page = opened(browser, [view])
    for name, panel in view._panels.items():
        page.evaluate(
            "([name, panel]) => { const p = document.createElement('p'); p.className = panel;"
            " p.textContent = `panel ${name}`; document.body.append(p); }",
            [name, panel],
        )
    expect(page.get_by_text("panel open")).to_be_visible()
    expect(page.get_by_text("panel lens")).to_be_hidden()
    page.get_by_role("tab", name="lens").click()
    expect(page.get_by_text("panel lens")).to_be_visible()
    expect(page.get_by_text("panel open")).to_be_hidden()
    page.keyboard.press("End")
    expect(page.get_by_role("tab", name="more")).to_be_focused()
    expect(page.get_by_text("panel more")).to_be_visible()
    page.keyboard.press("ArrowRight")
    assert state(page, view, "value") == "open"
    page.context.close()


def test_buttons_and_guide_count_clicks(browser):
    row, first = buttons(), guide()
    page = opened(browser, [row, first])
    of(page, row).get_by_role("button", name="Keep").click(click_count=2)
    expect(of(page, row).get_by_role("button", name="Close")).to_be_disabled()
    assert state(page, row, "_clicks") == {"keep": 2}
    page.get_by_role("button", name="Show me an example").click()
    assert state(page, first, "_asks") == 1
    page.get_by_role("button", name="Hide").click()
    expect(page.locator(".cw-steps")).to_be_hidden()
    page.get_by_role("button", name="Show the guide").click()
    expect(page.locator(".cw-step").nth(1)).to_have_attribute("aria-current", "step")
    page.context.close()


def test_a_file_downloads_as_it_is(browser, tmp_path):
    view = file()
    page = opened(browser, [view])
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download session.py (21 B)").click()
    waiting.value.save_as(tmp_path / "session.py")
    assert (tmp_path / "session.py").read_text() == "import cutaway as ct\n"
    expect(page.locator(".cw-code")).to_have_text("import cutaway as ct\n")
    page.context.close()
