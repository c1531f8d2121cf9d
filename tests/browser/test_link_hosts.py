"""The link between a real page and a real kernel: undo and kept selections, both ways."""

import nbformat
import pytest
from hosts import TOKEN, Page, free_port, running

from cutaway import serve

expect = pytest.importorskip("playwright.sync_api", reason="needs playwright").expect
pytestmark = pytest.mark.browser
SECONDS = 1000
N = 20

CELLS = [
    f"""import ipywidgets, numpy as np, cutaway_widgets as cw
from cutaway.core import Index
link = cw.Link(Index([f"s{{i}}" for i in range({N})]))
said = ipywidgets.HTML("nothing yet")
def tell(*_):
    kept = {{name: len(one) for name, one in link.named.items()}}
    chosen = link.selection
    said.value = f"python: {{len(chosen or ())}} by {{chosen and chosen.by}}, kept {{kept}}"
link.on_selection(tell)
link.observe(tell, "_named")
def button(words, act):
    made = ipywidgets.Button(description=words)
    made.on_click(lambda _: act())
    return made""",
    f"""ipywidgets.VBox([
    said,
    button("python undoes", link.undo),
    button("python selects", lambda: link.select(["s0", "s1", "s2"])),
    button("python keeps", lambda: link.keep("evens", [f"s{{i}}" for i in range(0, {N}, 2)])),
    button("python forgets", lambda: link.forget("all")),
    cw.Histogram(np.arange({N}.0), link=link, title="Numbers"),
    cw.SelectionBar(link, title="Selection"),
])""",
]


@pytest.fixture(scope="module", params=["voila", "lab"])
def page(request, browser, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    file = folder / "link.ipynb"
    cells = [nbformat.v4.new_code_cell(one) for one in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), file)
    port = free_port()
    if request.param == "voila":
        command, path = serve.voila_command(file, port), "?"
    else:
        command = serve.lab_command(folder, file.name, port, browser=False)
        path = f"lab/tree/{file.name}?reset"
    with running(command, port, folder / "host.log"):
        host = Page(browser)
        host.page.goto(f"http://{serve.ADDRESS}:{port}/{path}&token={TOKEN}", timeout=120 * SECONDS)
        if request.param == "lab":
            host.page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=120 * SECONDS)
            host.page.get_by_role("menuitem", name="Run", exact=True).click()
            host.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        host.page.locator(".cw-selection").wait_for(timeout=120 * SECONDS)
        yield host
        host.close()


def test_page_and_python_share_selections_undo_and_names(page):
    one, bar = page.page, page.page.locator(".cw-selection")
    canvas = one.locator(".cw-histogram canvas")

    def heard(text):
        expect(one.get_by_text(text)).to_be_visible()

    def counted(n):
        expect(bar.get_by_text(f"{n} of {N} samples selected")).to_be_visible()

    bar.get_by_role("button", name="Select all samples").click()
    heard(f"python: {N} by selection bar, kept {{}}")
    bar.get_by_label("Name under which").fill("all")
    bar.get_by_label("Name under which").press("Enter")
    heard(f"python: {N} by selection bar, kept {{'all': {N}}}")
    one.get_by_role("button", name="python selects").click()
    counted(3)
    heard("python: 3 by code")
    # Python's step is taken back on the page, the page's in Python.
    canvas.press("Control+z")
    counted(N)
    heard(f"python: {N} by undo")
    one.get_by_role("button", name="python undoes").click()
    counted(0)
    heard("python: 0 by None")
    canvas.press("Control+y")
    canvas.press("Control+y")
    counted(3)
    heard("python: 3 by redo")
    one.get_by_role("button", name="python keeps").click()
    bar.get_by_role("button", name="and evens").click()
    heard(f"python: 2 by kept: evens, kept {{'all': {N}, 'evens': {N // 2}}}")
    one.get_by_role("button", name="python forgets").click()
    expect(bar.get_by_role("listitem")).to_have_count(1)
    bar.get_by_role("button", name="Rename evens").click()
    bar.get_by_label("New name of evens").fill("every other")
    bar.get_by_label("New name of evens").press("Enter")
    heard(f"kept {{'every other': {N // 2}}}")
    assert page.outside() == []
    assert page.errors == []
