"""Every explorer, one line each: the shared suite runs them all in all three hosts."""

import json
import re
from dataclasses import dataclass

SETUP = "import cutaway as ct\nimport cutaway_widgets as cw\n"


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
        """A notebook that shows it, as a person would write it."""
        cell = {
            "cell_type": "code",
            "id": "cell-0",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": f"{SETUP}inline = False\n{self.expression}",
        }
        kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
        book = {
            "cells": [cell],
            "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        path = folder / f"{self.name}.ipynb"
        path.write_text(json.dumps(book), encoding="utf-8")
        return path

    def make(self):
        """The explorer in this process, computed at once."""
        names = {"inline": True}
        exec(SETUP, names)
        return eval(self.expression, names)


DIGITS = "ct.load_data('digits', split='test', limit=500)"

CASES = [
    Case("filters", f"cw.FilterExplorer('lenet5-digits', {DIGITS}, inline=inline)", "22 units"),
]
