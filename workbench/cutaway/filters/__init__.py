"""Lens 1: which filters set a few samples apart, and which samples those are."""

from cutaway.filters.apart import filters_of
from cutaway.filters.classes import class_purity
from cutaway.filters.compare import compare_screens
from cutaway.filters.coordinates import Coordinates, prepare
from cutaway.filters.filter_screen import FilterScreen
from cutaway.filters.mixtures import Mixtures, fit_mixtures
from cutaway.filters.picture import FilterPicture
from cutaway.filters.screen import screen_filters
from cutaway.filters.summary import summary

__all__ = [
    "Coordinates",
    "FilterPicture",
    "FilterScreen",
    "Mixtures",
    "class_purity",
    "compare_screens",
    "filters_of",
    "fit_mixtures",
    "prepare",
    "screen_filters",
    "summary",
]
