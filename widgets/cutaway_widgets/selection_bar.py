"""The selection of a link as a bar: count, undo, redo, and selections kept under a name."""

import traitlets

from cutaway_widgets._base import LinkedView
from cutaway_widgets._link import Link


class SelectionBar(LinkedView):
    """Bar with what can be done to a selection; all of it works without the kernel.

    How many rows are selected; undo and redo; all, none, invert; the selected ids as a CSV file;
    and selections kept under a name, each to be selected again or combined with the present one
    (and, or, minus). Python sees the kept ones in `Link.named`.

    Parameters
    ----------
    link : Link
        The shared selection.
    title, caption
        See `View`.
    """

    _kind = traitlets.Unicode("selection_bar").tag(sync=True)

    def __init__(self, link: Link, *, title: str = "", caption: str = "") -> None:
        super().__init__(None, link, title=title, caption=caption, height=60)
