"""Whole pages, composed of views over one workspace."""

from cutaway_widgets.explorers.filter_explorer import FilterExplorer
from cutaway_widgets.explorers.observable_explorer import ObservableExplorer
from cutaway_widgets.explorers.workbench import Workbench

__all__ = ["FilterExplorer", "ObservableExplorer", "Workbench"]
