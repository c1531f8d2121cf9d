"""Linked views and explorers for notebooks and dashboards."""

import importlib
from typing import Any

_HOMES = {
    "AttributionOverlay": "attribution_overlay",
    "Categories": "_color",
    "CostCard": "cost_card",
    "Dendrogram": "dendrogram",
    "Ellipses": "scatter",
    "FeatureMaps": "feature_maps",
    "FilterExplorer": "explorers.filter_explorer",
    "HeatMap": "heat_map",
    "Action": "actions",
    "Actions": "actions",
    "Categories": "_color",
    "Choice": "choice",
    "Download": "download",
    "Ellipses": "scatter",
    "Field": "form",
    "FilterExplorer": "explorers.filter_explorer",
    "Form": "form",
    "Guide": "guide",
    "Histogram": "histogram",
    "ImageGrid": "image_grid",
    "Job": "_job",
    "LineChart": "line_chart",
    "Link": "_link",
    "Progress": "progress",
    "Scatter": "scatter",
    "SelectionBar": "selection_bar",
    "SiteTree": "site_tree",
    "Step": "guide",
    "Table": "table",
    "TokenText": "token_text",
    "Values": "_color",
    "Workbench": "explorers.workbench",
    "export_html": "export",
    "show": "_reopen",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: the package itself costs nothing to import."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
