"""Every explorer, one line each: the shared suite runs them all in all three hosts."""

import re
from dataclasses import dataclass
from pathlib import Path

from hosts import write_notebook

HERE = str(Path(__file__).parent)
SETUP = f"""import sys

sys.path.append({HERE!r})
import cutaway as ct
import cutaway_widgets as cw
from gallery import gallery, started

"""


@dataclass(frozen=True)
class Case:
    """One explorer: its name, the expression that makes it, the text that says it is ready.

    In the expression, ``inline`` is True where the page is made without a kernel.
    """

    name: str
    expression: str
    ready: str

    @property
    def pattern(self):
        return re.compile(self.ready)

    def notebook(self, folder):
        """A notebook that shows it."""
        return write_notebook(
            folder / f"{self.name}.ipynb", f"{SETUP}inline = False\n{self.expression}"
        )

    def make(self):
        """The explorer in this process, computed at once."""
        names = {"inline": True}
        exec(SETUP, names)
        return eval(self.expression, names)


DIGITS = "ct.load_data('digits', split='test', limit=500)"

CASES = [
    Case("filters", f"cw.FilterExplorer('lenet5-digits', {DIGITS}, inline=inline)", "22 units"),
    Case(
        "complexity",
        f"cw.ComplexityExplorer('lenet5-digits', {DIGITS}, inline=inline)",
        "right answers that become wrong",
    ),
    Case("observables", "cw.ObservableExplorer(inline=inline)", "575 tokens of 60 texts"),
    Case("workbench", "started(cw.Workbench(inline=inline))", "22 units, 1 selected"),
    Case("gallery", "gallery()", "60 samples, none selected"),
]
