"""What the results of one page share: samples, selection links, predictions."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from cutaway.core import Index, Result, Selection
from cutaway.data import Dataset, thumbnail_atlas
from cutaway.model import Model, Predictions
from cutaway_widgets._color import Values
from cutaway_widgets._link import Link
from cutaway_widgets.explorers._layout import end


class Scene:
    """Links by rows, so that all results about the same samples, or filters, follow each other.

    Parameters
    ----------
    samples : Link
        The page's selection of samples.
    lock : threading.RLock
        Shared by all links.
    """

    def __init__(self, samples: Link, lock: Any) -> None:
        self.samples = samples
        self.data: Dataset | None = None
        self.model: Model | None = None
        self.predictions: dict[str, Predictions] = {}
        self._lock = lock
        self._links: dict[str, Link] = {}
        self._columns: dict[str, Values] = {}
        self._painted: list[Callable[[Mapping[str, Values]], None]] = []
        self._picked: Callable[[tuple[str, ...]], None] | None = None

    def on_units(self, callback: Callable[[tuple[str, ...]], None]) -> None:
        """Call ``callback(ids)`` when units are picked in any view, e.g. ``("conv1:3",)``."""
        self._picked = callback

    def add_column(self, name: str, values: Values) -> ExitStack:
        """Offer one more column to colour samples by, until what is returned is closed."""
        self._columns[name] = values
        self._paint()
        stop = ExitStack()
        stop.callback(self._drop_column, name, values)
        return stop

    def paint(self, painter: Callable[[Mapping[str, Values]], None]) -> ExitStack:
        """Call ``painter(columns)`` now and when the columns change, until closed."""
        self._painted.append(painter)
        painter(self._columns)
        stop = ExitStack()
        stop.callback(self._painted.remove, painter)
        return stop

    def _drop_column(self, name: str, values: Values) -> None:
        if self._columns.get(name) is values:
            del self._columns[name]
            self._paint()

    def _paint(self) -> None:
        for one in tuple(self._painted):
            one(self._columns)

    def set_data(
        self, data: Dataset | None, rows: Index | None = None, model: Model | None = None
    ) -> None:
        """Show other samples: those of `data`, or bare rows where the data is gone."""
        self.close()
        self.data, self.model = data, model
        index = data.index if data is not None else (rows or Index.count(0))
        pictures = thumbnail_atlas(data) if data is not None and data.kind == "image" else None
        if index.digest != self.samples.digest or pictures is not None:
            self.samples.set_index(index, thumbnails=pictures)
        self.predictions = {}

    def link_of(self, index: Index) -> Link:
        """The one link of these rows; results that have the same rows share it."""
        if index.digest == self.samples.digest:
            return self.samples
        found = self._links.get(index.digest)
        if found is None or found.comm is None:
            found = self._links[index.digest] = Link(index, lock=self._lock)
            if index.axis == "unit":
                found.on_selection(self._units)
        return found

    def _units(self, selection: Selection | None) -> None:
        if selection is not None and self._picked is not None:
            self._picked(tuple(str(one) for one in selection.ids))

    def holds(self, rows: Index) -> bool:
        """Whether these rows are some of the page's samples."""
        index = self.samples.index
        return rows.axis == index.axis and all(one in index for one in rows)

    def predictions_of(self, result: Result) -> Predictions | None:
        """What the model of a result said about its samples."""
        found = self.predictions.get(result.origin.weights)
        return found if found is not None and found.rows.digest == result.rows.digest else None

    def data_of(self, result: Result) -> Dataset | None:
        """The data, if the result is about just these samples."""
        same = self.data is not None and self.data.index.digest == result.rows.digest
        return self.data if same else None

    def close(self) -> None:
        """End the links that were made here."""
        for one in self._links.values():
            end(one)
        self._links.clear()
