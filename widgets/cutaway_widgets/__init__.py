"""Linked views and explorers for notebooks and dashboards."""

import importlib
from typing import Any

_HOMES = {
    "Action": "actions",
    "Actions": "actions",
    "AttributionOverlay": "attribution_overlay",
    "Bars": "bars",
    "Categories": "_color",
    "Choice": "choice",
    "ComplexityExplorer": "explorers.complexity_explorer",
    "CostCard": "cost_card",
    "Dendrogram": "dendrogram",
    "Download": "download",
    "Ellipses": "scatter",
    "export_html": "export",
    "FeatureMaps": "feature_maps",
    "Field": "form",
    "FilterExplorer": "explorers.filter_explorer",
    "Form": "form",
    "Guide": "guide",
    "HeatMap": "heat_map",
    "Histogram": "histogram",
    "ImageGrid": "image_grid",
    "Job": "_job",
    "LineChart": "line_chart",
    "Link": "_link",
    "ObservableExplorer": "explorers.observable_explorer",
    "Progress": "progress",
    "Scatter": "scatter",
    "SelectionBar": "selection_bar",
    "show": "_reopen",
    "SiteTree": "site_tree",
    "Step": "guide",
    "Table": "table",
    "TokenText": "token_text",
    "Values": "_color",
    "Workbench": "explorers.workbench",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the package itself costs nothing to import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
