"""Cutaway: a workbench for looking inside trained neural networks.

``import cutaway as ct`` loads nothing heavy; each public name is imported at its first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Activations": "cutaway.model",
    "Attributions": "cutaway.causal",
    "BudgetExceeded": "cutaway.model",
    "Cancelled": "cutaway.core",
    "Mean": "cutaway.model",
    "Observable": "cutaway.observables",
    "Path": "cutaway.observables",
    "Policy": "cutaway.policy",
    "ProjectOut": "cutaway.model",
    "Projection": "cutaway.projection",
    "Replace": "cutaway.model",
    "Selection": "cutaway.core",
    "Steer": "cutaway.model",
    "UnknownSite": "cutaway.model",
    "UnsupportedModel": "cutaway.model",
    "Workspace": "cutaway.workspace",
    "Zero": "cutaway.model",
    "ablate": "cutaway.causal",
    "attribute": "cutaway.causal",
    "capture": "cutaway.model",
    "code_of": "cutaway.reproduce",
    "complexity_curve": "cutaway.merging",
    "compare_probes": "cutaway.observables",
    "cost_card": "cutaway.model",
    "coupling": "cutaway.observables",
    "coupling_on_texts": "cutaway.observables",
    "coupling_table": "cutaway.observables",
    "edited": "cutaway.model",
    "feature_groups": "cutaway.merging",
    "feature_vector": "cutaway.observables",
    "layer_measures": "cutaway.merging",
    "head_map": "cutaway.observables",
    "load_data": "cutaway.data",
    "load_model": "cutaway.model",
    "logit_lens": "cutaway.observables",
    "merge_features": "cutaway.merging",
    "merge_on": "cutaway.merging",
    "observe_texts": "cutaway.observables",
    "open_workspace": "cutaway.session",
    "predict": "cutaway.model",
    "project": "cutaway.projection",
    "score_texts": "cutaway.observables",
    "screen_filters": "cutaway.filters",
    "search_paths": "cutaway.observables",
    "sites": "cutaway.model",
    "steer": "cutaway.observables",
}
_MODULES = (
    "causal",
    "core",
    "data",
    "filters",
    "lenses",
    "merging",
    "model",
    "observables",
    "plots",
    "policy",
    "projection",
    "reproduce",
    "session",
    "workspace",
)

__all__ = [
    "Activations",
    "Attributions",
    "BudgetExceeded",
    "Cancelled",
    "Mean",
    "Observable",
    "Path",
    "Policy",
    "ProjectOut",
    "Projection",
    "Replace",
    "Selection",
    "Steer",
    "UnknownSite",
    "UnsupportedModel",
    "Workspace",
    "Zero",
    "__version__",
    "ablate",
    "attribute",
    "capture",
    "code_of",
    "compare_probes",
    "complexity_curve",
    "cost_card",
    "coupling",
    "coupling_on_texts",
    "coupling_table",
    "edited",
    "feature_groups",
    "feature_vector",
    "head_map",
    "layer_measures",
    "load_data",
    "load_model",
    "logit_lens",
    "merge_features",
    "merge_on",
    "observe_texts",
    "open_workspace",
    "predict",
    "project",
    "score_texts",
    "screen_filters",
    "search_paths",
    "sites",
    "steer",
]

if TYPE_CHECKING:
    # From their modules, not their packages: there the name is a function and a module at once.
    from cutaway.causal.ablate import ablate
    from cutaway.causal.attribution import Attributions, attribute
    from cutaway.core import Cancelled, Selection
    from cutaway.data import load_data
    from cutaway.filters import screen_filters
    from cutaway.merging import (
        complexity_curve,
        feature_groups,
        layer_measures,
        merge_features,
        merge_on,
    )
    from cutaway.model import (
        Activations,
        BudgetExceeded,
        Mean,
        ProjectOut,
        Replace,
        Steer,
        UnknownSite,
        UnsupportedModel,
        Zero,
        load_model,
    )
    from cutaway.model.capture import capture, cost_card
    from cutaway.model.edit import edited
    from cutaway.model.predict import predict
    from cutaway.model.sites import sites
    from cutaway.observables import (
        Observable,
        Path,
        compare_probes,
        coupling_on_texts,
        coupling_table,
        feature_vector,
        logit_lens,
        observe_texts,
        score_texts,
        search_paths,
        steer,
    )
    from cutaway.observables.coupling import coupling
    from cutaway.observables.head_map import head_map
    from cutaway.policy import Policy
    from cutaway.projection import Projection, project
    from cutaway.reproduce import code_of
    from cutaway.session import open_workspace
    from cutaway.workspace import Workspace


def __getattr__(name: str) -> Any:
    """Import a public name, or a part of the house, when it is first asked for."""
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _MODULES:
        value = importlib.import_module(f"cutaway.{name}")
    else:
        raise AttributeError(f"module 'cutaway' has no attribute {name!r}; see cutaway.__all__")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES})
