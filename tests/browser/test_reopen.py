"""A saved notebook, opened in JupyterLab without running anything."""

import copy

import nbformat
import pytest
from hosts import TOKEN, Page, free_port, running
from nbclient import NotebookClient
from nbformat.sign import NotebookNotary

from cutaway import serve

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser
SECONDS = 1000

CELLS = [
    """import numpy as np, cutaway_widgets as cw
from cutaway.core import Index
link = cw.Link(Index.count(300))
values = np.random.default_rng(0).normal(size=(300, 2))
link.select([4, 7, 9])
link.keep('few')""",
    "cw.show(cw.Scatter(values, link=link, title='Planted points'), static=True)",
    "cw.Histogram(values[:, 0], link=link, title='Planted numbers')",
    "cw.SelectionBar(link)",
]


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    """Lab with one executed notebook three times: with widget state, without, and a stranger's."""
    folder = tmp_path_factory.mktemp("reopened")
    notebooks = folder / "notebooks"
    notebooks.mkdir()
    cells = [nbformat.v4.new_code_cell(one) for one in CELLS]
    alive = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(alive, timeout=120, kernel_name="python3").execute()
    bare = copy.deepcopy(alive)
    del bare.metadata["widgets"]
    stranger = copy.deepcopy(bare)
    stranger.cells.append(nbformat.v4.new_markdown_cell("From somebody else."))
    with pytest.MonkeyPatch.context() as patch:
        # Who trusts what is kept here, not in the files of whoever runs the tests.
        patch.setenv("JUPYTER_DATA_DIR", str(folder / "data"))
        for name, book in {"alive": alive, "bare": bare, "stranger": stranger}.items():
            if name != "stranger":
                NotebookNotary().sign(book)
            nbformat.write(book, notebooks / f"{name}.ipynb")
        port = free_port()
        command = serve.lab_command(notebooks, "alive.ipynb", port, browser=False)
        with running(command, port, folder / "lab.log"):
            yield port


@pytest.fixture
def opened(browser, port):
    pages = []

    def start(name):
        host = Page(browser)
        pages.append(host)
        host.page.goto(
            f"http://{serve.ADDRESS}:{port}/lab/tree/{name}.ipynb?reset&token={TOKEN}",
            timeout=120 * SECONDS,
        )
        host.page.locator(".jp-Notebook .jp-OutputArea-output").first.wait_for(
            timeout=120 * SECONDS
        )
        return host

    yield start
    for host in pages:
        host.close()


def test_with_widget_state_the_views_live_and_follow_each_other(opened):
    host = opened("alive")
    scatter = host.page.locator(".cw-scatter")
    expect(scatter.get_by_text("3 selected")).to_be_visible(timeout=60 * SECONDS)
    scatter.locator("canvas.cw-over").press("i")
    expect(host.page.locator(".cw-histogram").get_by_text("297 selected")).to_be_visible()
    bar = host.page.locator(".cw-selection")
    expect(bar.get_by_text("297 of 300 samples selected")).to_be_visible()
    bar.get_by_role("button", name="minus few").click()
    bar.get_by_role("button", name="Select few").click()
    expect(bar.get_by_text("3 of 300 samples selected")).to_be_visible()
    scatter.locator("canvas.cw-over").press("Control+z")
    expect(bar.get_by_text("297 of 300 samples selected")).to_be_visible()
    # The picture is for notebooks without the view.
    expect(host.page.locator("[class^=cutaway-still]")).to_be_hidden()
    # Neither the keys nor opening it took a cell back or ran one.
    prompts = host.page.locator(".jp-CodeCell .jp-InputPrompt").all_inner_texts()
    assert prompts == [f"[{i + 1}]:" for i in range(len(CELLS))]
    host.shoot("reopened-alive")
    assert host.outside() == []
    assert host.errors == []


def test_without_widget_state_the_second_output_is_a_picture(opened):
    host = opened("bare")
    still = host.page.locator("[class^=cutaway-still]")
    expect(still.get_by_role("img", name="Planted points")).to_be_visible(timeout=60 * SECONDS)
    host.shoot("reopened-bare")
    assert host.outside() == []


def test_a_notebook_of_a_stranger_shows_pictures_instead_of_views(opened):
    host = opened("stranger")
    for name in ("Planted points", "Planted numbers"):
        picture = host.page.get_by_role("img", name=name).first
        expect(picture).to_be_visible(timeout=60 * SECONDS)
    assert host.page.locator(".cw").count() == 0
    host.shoot("reopened-stranger")
    assert host.outside() == []
