"""Linked views on one page: ours, jupyter-scatter and plotly, the same data and real gestures.

Each page is served by Voilà with a kernel of its own and used by a real mouse in a headless
Chromium. ``python bench/ui.py Cutaway 100000`` measures one page only and writes nothing.
"""

import contextlib
import math
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chromium
import report
import ui_pages
from playwright.sync_api import TimeoutError as NotInTime
from playwright.sync_api import sync_playwright

from cutaway import serve

RUNS = 3
PAGES = [(kind, n) for n in (100_000, 1_000_000) for kind in ui_pages.KINDS]
PAGES.append(("Cutaway", 10_000_000))
QUIET = 600  # ms without any drawing: all is painted
SILENT = 8_000  # ms after which Python is taken not to answer
LONGEST = 25_000  # ms for one gesture
PATIENCE = 20.0  # s after which a gesture is not repeated on a page
# What a gesture costs: from the release of the button until nothing is drawn any more.
SETTLED = f"""() => {{
  const m = window.bench;
  const end = Math.max(m.last, m.python, m.up);
  const heard = m.python > m.up || performance.now() - m.up > {SILENT};
  return m.up > 0 && performance.now() - end > {QUIET} && heard;
}}"""
READ = """() => {
  const m = window.bench;
  const shown = m.frames.filter((one) => one > m.last)[1];
  return { python: m.python > m.up ? m.python - m.up : null,
           painted: m.last > m.up && shown ? shown - m.up : null, said: m.said() };
}"""
LOADED = f"""() => document.querySelector(".bench-heard") && window.bench.last
  && performance.now() - window.bench.last > {QUIET}"""


@contextlib.contextmanager
def served(notebook: Path) -> Iterator[str]:
    """Address of a page in a Voilà of its own."""
    port = serve.free_port(9100)
    command = serve.voila_command(notebook, port)
    token = secrets.token_hex(16)
    process = subprocess.Popen(
        command,
        env=serve.host_environment(token),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while not serve.answers(port) and time.monotonic() < until:
            time.sleep(0.1)
        yield f"http://{serve.ADDRESS}:{port}/?token={token}"
    finally:
        process.terminate()
        process.wait()


class Page:
    """One opened page, and what the browser says of it."""

    def __init__(self, browser: Any, url: str, kind: str) -> None:
        self.page = browser.new_page(viewport={"width": 1400, "height": 1100})
        self.page.add_init_script(ui_pages.TRACKER)
        self.tools = self.page.context.new_cdp_session(self.page)
        self.tools.send("Performance.enable")
        self.page.goto(url, timeout=240_000)
        self.page.wait_for_function(LOADED, timeout=240_000)
        self.ready = self.page.evaluate(
            "() => (performance.timeOrigin + bench.last) / 1000"
            " - Number(document.querySelector('.bench-heard').dataset.born)"
        )
        self.target = self.page.locator(ui_pages.TARGETS[kind]).first
        self.target.scroll_into_view_if_needed()
        self.box = self.target.bounding_box()

    def metrics(self) -> dict[str, float]:
        """Seconds and bytes so far."""
        found = self.tools.send("Performance.getMetrics")["metrics"]
        return {one["name"]: one["value"] for one in found}

    def heap(self) -> float:
        """JavaScript heap after a collection, in MB."""
        self.tools.send("HeapProfiler.collectGarbage")
        return self.metrics()["JSHeapUsedSize"] / 1e6

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Page place of fractions of the plot."""
        return self.box["x"] + x * self.box["width"], self.box["y"] + y * self.box["height"]

    def release(self) -> dict[str, Any]:
        """Let the button go and wait until all is drawn and Python has answered."""
        self.page.evaluate("() => bench.arm()")
        before = self.metrics()
        self.page.mouse.up()
        # A peer that never comes to rest is a result, not a failure of the measurement.
        with contextlib.suppress(NotInTime):
            self.page.wait_for_function(SETTLED, timeout=LONGEST)
        after = self.metrics()
        names = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration")
        found = self.page.evaluate(READ)
        return found | {"main": 1000 * sum(after[name] - before[name] for name in names)}

    def lasso(self, size: float) -> dict[str, Any]:
        """Draw round the middle of the plot, by hand speed."""
        # Not quite closed: a peer takes a release where the button went down for a click.
        around = [2 * math.pi * k / 24 for k in range(23)]
        places = [self.at(0.5 + size * math.cos(a), 0.5 + size * math.sin(a)) for a in around]
        self.page.mouse.move(*places[0])
        self.page.wait_for_timeout(100)
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place)
        self.page.wait_for_timeout(200)
        return self.release()

    def click(self, k: int) -> dict[str, Any]:
        """Click on a dense place."""
        self.page.mouse.move(*self.at(0.5 + 0.21 * (-1) ** k, 0.46 + 0.01 * k))
        self.page.wait_for_timeout(600)
        self.page.mouse.down()
        return self.release()


def measure(browser: Any, folder: Path, kind: str, n: int) -> dict[str, Any]:
    """Medians of one page."""
    with served(ui_pages.notebook(folder, kind, n)) as url:
        page = Page(browser, url, kind)
        heap = page.heap()
        lassos = repeated(lambda k: page.lasso(0.22 + 0.02 * k))
        clicks = repeated(page.click)
        heap = max(heap, page.heap())
        page.page.close()
    middle = {name: median([one[name] for one in lassos]) for name in ("main", "painted", "python")}
    selected = lassos[-1]["said"].split(" ", maxsplit=1)[0]
    return middle | {
        "click": median([one["python"] for one in clicks]),
        "heap": heap, "ready": page.ready, "selected": selected,
    }  # fmt: skip


def repeated(gesture: Callable[[int], dict[str, Any]]) -> list[dict[str, Any]]:
    """What up to RUNS gestures after a warm-up found; of a slow page fewer, or the first alone."""
    start = time.monotonic()
    found = [gesture(0)]
    while len(found) <= RUNS and time.monotonic() - start < PATIENCE:
        found.append(gesture(len(found)))
    return found[1:] or found


def median(values: list[float | None]) -> float | None:
    """Middle of what was measured; None where the gesture had no such effect."""
    known = [one for one in values if one is not None]
    return statistics.median(known) if 2 * len(known) > len(values) else None


def line(kind: str, n: int, found: dict[str, Any]) -> list[str]:
    """Cells of one row."""
    cells = [f"{n:,}", kind]
    for name, form in (
        ("main", "{:.0f}"), ("painted", "{:.0f}"), ("python", "{:.0f}"), ("click", "{:.0f}"),
        ("ready", "{:.1f}"), ("heap", "{:.0f}"),
    ):  # fmt: skip
        cells.append("none" if found.get(name) is None else form.format(found[name]))
    return [*cells, found.get("selected", "")]


HEADS = (
    "points", "page", "lasso: main thread ms", "lasso: all repainted ms", "lasso → Python ms",
    "click → Python ms", "interactive s", "JS heap MB", "selected",
)  # fmt: skip
NOTE = """Goals at 100,000: main thread ≤ 25 ms, repainted ≤ 100 ms, Python ≤ 300 ms; at 1,000,000:
repainted ≤ 400 ms, interactive ≤ 12 s, heap ≤ 120 MB, click ≤ 300 ms.

Pages: ours has two scatters, a histogram and a grid of pictures (10,000,000: scatter and
histogram); jupyter-scatter has two scatters linked by its `compose`; plotly has two `scattergl` and
a histogram linked by a callback in Python, as it offers no other way. Main thread: script, style
and layout from the release of the button until 0.6 s without drawing. All repainted: until the
second frame after the last drawing call on any canvas (so two frames of about 17 ms are in every
figure). To Python: until the page shows what a callback in Python wrote, so the way back is in it.
Interactive: from the first line that the kernel runs until nothing is drawn any more; data are made
in it. Real mouse for all; "none": the gesture had no such effect within 8 s. Medians of 3 runs
after one warm-up (fewer where one takes seconds). JS heap does not count typed arrays' own bytes.
Without a graphics processor ours writes pixels itself, the others draw by WebGL in software;
headless Chromium with the software renderer."""


def main(wanted: list[str]) -> int:
    """Measure all pages and write the table; or one page, printed."""
    path = chromium.path()
    if path is None:
        return 0
    pages = [(wanted[0], int(wanted[1]))] if wanted else PAGES
    rows = []
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        for kind, n in pages:
            browser = chromium.launched(driver, path)
            try:
                found = measure(browser, Path(folder), kind, n)
            except Exception as error:  # noqa: BLE001 - a peer that fails is a row, not the end
                found = {"selected": f"failed: {str(error).splitlines()[0][:80]}"}
            browser.close()
            rows.append(line(kind, n, found))
            print("bench:", " | ".join(rows[-1]), flush=True)
    if not wanted:
        report.write("ui", "Linked views", report.table(HEADS, rows), NOTE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
