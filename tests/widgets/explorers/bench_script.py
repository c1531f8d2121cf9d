"""What a person does on a workbench, as a script, and what the page then shows."""

import numpy as np


def states(page):
    return [one["state"] for one in page.guide._steps]


def names(page):
    return [one.name for one in page.results.cards]


def open_digits(page, limit=60, **values):
    page.open_panel.form.set_values(limit=limit, **values)
    page.open_panel.form.send()
    return page


def run(page, *sites, **values):
    page.lens_panel.tree.pick(sites)
    page.lens_panel.form.set_values(**values)
    page.lens_panel.form.send()
    return page


def brush(link, *places):
    """What the browser does after a lasso."""
    mask = np.packbits(np.isin(np.arange(link.n), places), bitorder="little").tobytes()
    link.set_state({"_of": link.digest, "_mask": memoryview(mask)})
