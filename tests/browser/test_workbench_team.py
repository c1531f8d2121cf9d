"""The workbench on a team's server: what is offered, where it saves, and two visitors at once."""

import pytest
from hosts import Page, free_port, serving

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser
SECONDS = 1000


@pytest.fixture
def served(tmp_path):
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    arguments = [
        "serve", "--team", "--models", "lenet5-digits,alexnet-digits", "--folder", str(allowed),
        "--token", "a-secret-of-ours", "--memory", "3GB", "--page", "workbench",
        "--port", str(free_port()),
    ]  # fmt: skip
    with serving(arguments, tmp_path) as (_, url):
        yield url, allowed


def visit(browser, url):
    page = Page(browser)
    page.page.goto(url, timeout=120 * SECONDS)
    page.page.locator("section.cw-form").first.wait_for(timeout=120 * SECONDS)
    return page


def test_two_visitors_of_a_team(browser, served):
    url, allowed = served
    anna, ben = visit(browser, url), visit(browser, url)
    models = anna.page.locator("[name=model]:visible option")
    assert [one.get_attribute("value") for one in models.all()] == [
        "lenet5-digits", "alexnet-digits",
    ]  # fmt: skip
    anna.page.locator("[name=data_path]:visible").fill("../..")
    anna.page.locator("[name=data_path]:visible").press("Enter")
    refused = anna.page.locator(".cw-field", has=anna.page.locator("[name=data_path]"))
    expect(refused.get_by_text("path must lie in the folder that this server")).to_be_visible()
    anna.page.locator("[name=data_path]:visible").fill("")
    anna.page.get_by_role("button", name="Show me an example").click()
    done = anna.page.locator(".cw-progress .cw-words", has_text="Done")
    expect(done).to_be_visible(timeout=120 * SECONDS)
    anna.page.get_by_role("tab", name="Session", exact=True).click()
    anna.page.locator("[name=name]:visible").fill("of anna")
    anna.page.locator("[name=name]:visible").press("Enter")
    expect(anna.page.get_by_text("Saved as of anna.")).to_be_visible()
    assert (allowed / "sessions" / "of anna" / "workspace.json").is_file()
    # Nothing of hers is on his page.
    expect(ben.page.get_by_text("Look inside a trained network.")).to_be_visible()
    expect(ben.page.locator(".cw-bench-card:visible")).to_have_count(0)
    for one in (anna, ben):
        assert one.errors == []
        assert one.outside() == []
        one.close()
