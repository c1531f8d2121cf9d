"""Half an hour of scripted brushing, running and cancelling: do page and kernel stay flat?

A real Voilà with the filter explorer, real mouse and keys. Minutes can be given: ``soak.py 30``.
"""

import random
import secrets
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import chromium
import numpy as np
import psutil
import report
from playwright.sync_api import Page, sync_playwright

from cutaway import serve

MINUTES = 30.0
EVERY = 20.0
"""Seconds between two readings."""
HARMLESS = ("Failed to load resource", "favicon")
LAYERS = ("fc1", "tanh1", "tanh2")


@dataclass
class Readings:
    """What was read, and what was done meanwhile."""

    minutes: list[float] = field(default_factory=list)
    heap: list[float] = field(default_factory=list)
    kernel: list[float] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)


def lasso(page: Page, rng: random.Random) -> None:
    """Draw a loop somewhere in the scatter."""
    canvas = page.locator("section.cw-scatter canvas.cw-over").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    if box is None:
        return
    x, y = rng.uniform(0.15, 0.5), rng.uniform(0.1, 0.5)
    at = [
        (box["x"] + (x + dx) * box["width"], box["y"] + (y + dy) * box["height"])
        for dx, dy in [(0, 0), (0.4, 0), (0.4, 0.4), (0, 0.4), (0, 0.02)]
    ]
    page.mouse.move(*at[0])
    page.mouse.down()
    for one in at[1:]:
        page.mouse.move(*one, steps=5)
    page.mouse.up()


def pick_filter(page: Page, rng: random.Random) -> None:
    """Click a row of the filter table."""
    rows = page.locator("section.cw-table .cw-sheet [role=row]")
    rows.nth(rng.randrange(min(8, rows.count()))).click()


def undo(page: Page, rng: random.Random) -> None:
    """Take selections back and bring them again."""
    canvas = page.locator("section.cw-scatter canvas.cw-over").first
    for _ in range(rng.randrange(1, 6)):
        canvas.press("Control+z")
    canvas.press("Control+Shift+z")


def recolour(page: Page, rng: random.Random) -> None:
    """Colour by another column."""
    chooser = page.locator("section.cw-scatter select[aria-label='Colour by']").first
    chooser.select_option(index=rng.randrange(3))


def hover(page: Page, rng: random.Random) -> None:
    """Move over the points and the pictures."""
    for kind in ("scatter", "image_grid, section.cw-grid"):
        one = page.locator(f"section.cw-{kind}").first
        if one.count():
            box = one.bounding_box()
            if box:
                for _ in range(10):
                    page.mouse.move(
                        box["x"] + rng.random() * box["width"],
                        box["y"] + rng.random() * box["height"],
                    )


def run_and_cancel(page: Page, rng: random.Random) -> None:
    """Screen other layers and cancel half of the time."""
    tree = page.locator("section.cw-tree, section.cw-site_tree").first
    for name in rng.sample(LAYERS, 2):
        tree.get_by_role("treeitem", name=name).first.click()
    page.get_by_role("button", name="Screen picked layers").click()
    if rng.random() < 0.5:
        cancel = page.get_by_role("button", name="Cancel").first
        try:
            cancel.click(timeout=1500)
        except Exception:  # noqa: BLE001 - it had ended before
            return
    page.wait_for_timeout(1500)


ACTS = (lasso, lasso, pick_filter, undo, recolour, hover, run_and_cancel)


def soak(page: Page, kernel: psutil.Process, minutes: float) -> Readings:
    """Act at random for some minutes, reading heap and memory every while."""
    rng = random.Random(0)
    tools = page.context.new_cdp_session(page)
    tools.send("Performance.enable")
    seen = Readings()
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on(
        "console",
        lambda one: (
            seen.errors.append(one.text)
            if one.type == "error" and not any(known in one.text for known in HARMLESS)
            else None
        ),
    )
    began = last = time.monotonic()
    while time.monotonic() - began < 60 * minutes:
        act = rng.choice(ACTS)
        act(page, rng)
        seen.done[act.__name__] = seen.done.get(act.__name__, 0) + 1
        if time.monotonic() - last > EVERY:
            last = time.monotonic()
            tools.send("HeapProfiler.collectGarbage")
            metrics: dict[str, Any] = {
                one["name"]: one["value"] for one in tools.send("Performance.getMetrics")["metrics"]
            }
            seen.minutes.append((last - began) / 60)
            seen.heap.append(metrics["JSHeapUsedSize"] / 1e6)
            seen.kernel.append(kernel.memory_info().rss / 1e6)
    return seen


def rows(seen: Readings) -> list[tuple[str, ...]]:
    """Median of the first and last fifth, and the slope over the last two thirds."""
    found = []
    n = len(seen.minutes)
    late = slice(n // 3, n)
    for name, values in (("page: JS heap", seen.heap), ("kernel: resident", seen.kernel)):
        slope = np.polyfit(seen.minutes[late], values[late], 1)[0] if n > 5 else float("nan")
        fifth = max(1, n // 5)
        found.append(
            (
                name,
                f"{statistics.median(values[:fifth]):.1f}",
                f"{statistics.median(values[-fifth:]):.1f}",
                f"{max(values):.1f}",
                f"{10 * slope:+.2f}",
            )
        )
    return found


def main() -> int:
    """Start Voilà, soak, write the table."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    path = chromium.path()
    if path is None:
        return 0
    port = serve.free_port(8990)
    command = serve.voila_command(serve.notebooks_folder() / "dashboard.ipynb", port)
    token = secrets.token_hex(16)
    with subprocess.Popen(
        command, env=serve.host_environment(token), stdout=subprocess.DEVNULL
    ) as host:
        try:
            while not serve.answers(port):
                time.sleep(0.2)
            with sync_playwright() as driver:
                browser = chromium.launched(driver, path)
                page = browser.new_page(viewport={"width": 1400, "height": 1100})
                page.goto(f"http://{serve.ADDRESS}:{port}/?token={token}", timeout=120_000)
                page.locator("section.cw-table .cw-sheet [role=row]").nth(3).wait_for(
                    timeout=120_000
                )
                kernel = next(
                    one
                    for one in psutil.Process(host.pid).children(recursive=True)
                    if "ipykernel" in " ".join(one.cmdline())
                )
                seen = soak(page, kernel, minutes)
                browser.close()
        finally:
            host.terminate()
    acts = ", ".join(f"{count} × {name}" for name, count in sorted(seen.done.items()))
    report.write(
        "soak",
        f"{minutes:g} minutes of brushing, running, cancelling",
        report.table(
            ("MB", "first fifth", "last fifth", "most", "per 10 min, last two thirds"), rows(seen)
        ),
        f"{len(seen.minutes)} readings after a forced collection. {acts}. "
        f"Console errors: {len(seen.errors)}{': ' + seen.errors[0] if seen.errors else ''}.",
    )
    return int(bool(seen.errors))


if __name__ == "__main__":
    sys.exit(main())
