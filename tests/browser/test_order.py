"""What a person sees picked is what runs, in hosts that hear two models out of order."""

import json

import pytest
from hosts import HOSTS, write_notebook

pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = pytest.mark.browser
SECONDS = 1000
N = 8
SOURCE = f"""
import json
from types import SimpleNamespace
import ipywidgets
import cutaway_widgets as cw

names = [f"layer{{i}}" for i in range({N})]
tree = cw.SiteTree(
    [SimpleNamespace(path=n, type="Linear", shape=(4,), layout="n d", n_parameters=8, n_units=4)
     for n in names],
    title="Layers", action="Run picked layers",
)
said = ipywidgets.HTML("[]").add_class("heard")
heard = []

def act(paths):
    heard.append([tree._asked["count"], list(paths), list(tree.picked)])
    said.value = json.dumps(heard)

tree.on_action(act)
form = cw.Form([cw.Field("k", "whole", 3)], submit="Run", beside={{"picked": (tree, "_picked")}})
told = ipywidgets.HTML("[]").add_class("told")
submitted = []

def run(values):
    submitted.append([form._submits, form.seen["picked"]])
    told.value = json.dumps(submitted)

form.on_submit(run)
ipywidgets.VBox([tree, form, said, told])
"""
# Ticks lines and presses the button at once, again and again; tells what was seen at each press.
CLICKS = """async ([pauses, button]) => {
  const tree = document.querySelector("section.cw-tree");
  const seen = [];
  let random = 7;
  for (const pause of pauses) {
    for (let k = 0; k < 3; k++) {
      random = (random * 1103515245 + 12345) % 2147483648;
      const rows = [...tree.querySelectorAll("[role=treeitem]")];
      rows[(random >> 8) % rows.length].click();
    }
    document.querySelector(button).click();
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, pause)));
    seen.push([...tree.querySelectorAll("[aria-checked=true]")].map((one) =>
      one.querySelector(".cw-name").textContent));
  }
  return seen;
}"""


@pytest.mark.parametrize("name", HOSTS)
def test_a_fast_click_after_picking_runs_those_picks(browser, tmp_path, name):
    notebook = write_notebook(tmp_path / "order.ipynb", SOURCE)
    with HOSTS[name](browser, tmp_path, notebook, ready="section.cw-tree .cw-primary") as host:
        pauses = [0] * 15 + [30] * 15 + [150] * 10
        seen = host.page.evaluate(CLICKS, [pauses, ".cw-tree .cw-primary"])
        host.page.wait_for_function(
            f"JSON.parse(document.querySelector('.heard').innerText).at(-1)?.[0] === {len(pauses)}",
            timeout=60 * SECONDS,
        )
        heard = json.loads(host.page.locator(".heard").inner_text())
        # Clicks in quick succession may be merged; none may meet other picks than its own.
        assert len(heard) >= 5
        for count, paths, _ in heard:
            assert sorted(paths) == sorted(seen[count - 1]), count
        assert [count for count, *_ in heard] == sorted(count for count, *_ in heard)
        # A form beside the tree sends the picks along with its values.
        beside = host.page.evaluate(CLICKS, [pauses, ".cw-form .cw-primary"])
        host.page.wait_for_function(
            f"JSON.parse(document.querySelector('.told').innerText).at(-1)?.[0] === {len(pauses)}",
            timeout=60 * SECONDS,
        )
        told = json.loads(host.page.locator(".told").inner_text())
        assert len(told) >= 5
        for count, paths in told:
            assert sorted(paths) == sorted(beside[count - 1]), count
        # By keyboard: the same, without leaving the tree.
        tree = host.page.get_by_role("tree")
        tree.press("Home")
        tree.press("Enter")
        tree.press("Control+Enter")
        host.page.wait_for_function(
            "n => JSON.parse(document.querySelector('.heard').innerText).at(-1)[0] === n",
            arg=len(pauses) + 1,
        )
        last = json.loads(host.page.locator(".heard").inner_text())[-1]
        assert set(last[1]) == set(beside[-1]) ^ {"layer0"}
        assert host.errors == []
