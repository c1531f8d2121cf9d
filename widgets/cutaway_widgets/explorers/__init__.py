"""Whole pages, composed of views over one workspace."""

from cutaway_widgets.explorers.filter_explorer import FilterExplorer

__all__ = ["FilterExplorer"]
