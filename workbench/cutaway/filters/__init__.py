"""Lens 1: which filters set a few samples apart, and which samples those are."""

from cutaway.filters.apart import filters_of
from cutaway.filters.coordinates import Coordinates, prepare
from cutaway.filters.mixtures import Mixtures, fit_mixtures
from cutaway.filters.picture import FilterPicture
from cutaway.filters.screen import FilterScreen, screen_filters
from cutaway.filters.summary import summary

__all__ = [
    "Coordinates",
    "FilterPicture",
    "FilterScreen",
    "Mixtures",
    "filters_of",
    "fit_mixtures",
    "prepare",
    "screen_filters",
    "summary",
]
