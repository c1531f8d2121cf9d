"""axe-core on a page: what is serious or critical."""

from pathlib import Path

import pytest

import cutaway_widgets as cw

AXE = Path(cw.__file__).parent / "js" / "node_modules" / "axe-core" / "axe.min.js"
RUN = """async (where) => {
  const rules = { "label-content-name-mismatch": { enabled: true } };
  const found = await axe.run(where, { resultTypes: ["violations"], rules });
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((n) =>
      `${n.html} ${[...n.any, ...n.all].map((a) => a.message)}`)}`);
}"""


def bring(page):
    """Put axe-core into a page; skips where it is not installed."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run npm ci in widgets/cutaway_widgets/js")
    # Lab's module loader would take it for one of its own.
    page.evaluate(
        f"(() => {{ const define = undefined, module = undefined; {AXE.read_text()} }})()"
    )


def wrong(page, where):
    """Serious and critical violations within what a CSS selector finds."""
    return page.evaluate(RUN, where)
