"""What tests of the filter explorer share."""

from cutaway_widgets._base import View


def quiet(page):
    """No view shows an error, and neither job failed."""
    views = [one for one in vars(page.sections).values() if hasattr(one, "box")]
    held = [one for view in views for one in vars(view).values() if isinstance(one, View)]
    assert len(held) >= 12
    shown = [page.table, page.scatter, page.grid, page.histogram, page.bar, page.tree, *held]
    assert [one.error for one in shown] == [""] * len(shown)
    assert page.job.status.error == page.desk.job.status.error == ""


def views_in(widget):
    """Every view of a page, at any depth."""
    found = [widget] if isinstance(widget, View) else []
    return found + [one for child in getattr(widget, "children", ()) for one in views_in(child)]
