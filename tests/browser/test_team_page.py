"""Two people on a team's server at once, each with a browser of their own."""

import re
import sys

import pytest
from hosts import Page, free_port, serving

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory limits need Linux"),
]
SECONDS = 1000
TOKEN = "a-secret-of-the-team"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    arguments = [
        "serve", "--team", "--models", "lenet5-digits,alexnet-digits", "--token", TOKEN,
        "--memory", "3GB", "--page", "workbench", "--port", str(free_port()), "--no-browser",
    ]  # fmt: skip
    with serving(arguments, tmp_path_factory.mktemp("team")) as (_, url):
        assert TOKEN in url
        yield url


@pytest.fixture(scope="module")
def people(browser, address):
    """Two visitors: contexts share no cookies."""
    pages = []
    for _ in range(2):
        one = Page(browser)
        one.page.goto(address, timeout=120_000)
        one.page.locator("section.cw-form").first.wait_for(timeout=120_000)
        pages.append(one)
    yield pages
    for one in pages:
        one.close()


def test_without_the_token_nothing_is_shown(browser, address):
    stranger = Page(browser)
    answer = stranger.page.goto(address.split("?")[0])
    assert answer.status in {401, 403} or "login" in stranger.page.url
    assert stranger.page.locator("section.cw").count() == 0
    stranger.context.close()


def test_only_the_listed_models_are_offered(people):
    names = (
        people[0].page.locator(".cw-form").first.locator("[name=model] option").all_inner_texts()
    )
    assert {one.split(":")[0] for one in names if one.strip()} == {
        "lenet5-digits",
        "alexnet-digits",
    }


def test_two_people_do_not_see_each_others_work(people):
    anna, bert = (one.page for one in people)
    anna.get_by_role("button", name=re.compile("Show me an example")).click()
    scatter = anna.locator("section.cw-scatter canvas.cw-over").first
    scatter.wait_for(timeout=120 * SECONDS)
    opened = re.compile(r"lenet5-digits on [\d,]+ samples")
    expect(anna.get_by_role("heading", name=opened)).to_be_visible(timeout=120 * SECONDS)
    scatter.press("a")
    expect(anna.locator("section.cw-scatter .cw-summary").first).to_contain_text("selected")
    # Bert's page still asks for a model.
    expect(bert.get_by_text("Look inside a trained network.")).to_be_visible()
    assert bert.locator("section.cw-scatter").count() == 0
    bert.locator(".cw-form [name=model]").first.select_option(index=1)
    assert anna.get_by_text(re.compile(r"alexnet-digits on")).count() == 0
    for one in people:
        one.shoot(f"team-{people.index(one)}")


def test_no_request_left_the_machine(people):
    for one in people:
        assert one.outside() == []
        assert one.errors == []
