"""What the results of one page share: samples, selection links, predictions."""

from typing import Any

from cutaway.core import Index, Result
from cutaway.data import Dataset, thumbnail_atlas
from cutaway.model import Predictions
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
        self.predictions: dict[str, Predictions] = {}
        self._lock = lock
        self._links: dict[str, Link] = {}

    def set_data(self, data: Dataset | None, rows: Index | None = None) -> None:
        """Show other samples: those of `data`, or bare rows where the data is gone."""
        self.close()
        self.data = data
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
        return found

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
