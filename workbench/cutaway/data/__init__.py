"""Samples: loading, batches, and pictures of them, all by stable ids."""

from cutaway.data.atlas import Atlas, thumbnail_atlas
from cutaway.data.batching import batches
from cutaway.data.content import content_of
from cutaway.data.dataset import Batch, Dataset, Samples, Skipped
from cutaway.data.load import load_data

__all__ = [
    "Atlas",
    "Batch",
    "Dataset",
    "Samples",
    "Skipped",
    "batches",
    "content_of",
    "load_data",
    "thumbnail_atlas",
]
