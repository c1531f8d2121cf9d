"""Access to networks: load one, address its sites, capture and edit what they hold."""

from cutaway.model.activations import Activations
from cutaway.model.capture import capture, cost_card
from cutaway.model.card import CostCard
from cutaway.model.edit import edited
from cutaway.model.edits import Edit, Mean, ProjectOut, Replace, Steer, Zero
from cutaway.model.errors import BudgetExceeded, UnknownSite, UnsupportedModel
from cutaway.model.load import load_model
from cutaway.model.maps import Tiles, feature_maps, kernel_tiles
from cutaway.model.metric import (
    Metric,
    accuracy,
    evaluate,
    logit_of,
    loss,
    margin,
    probability_of,
)
from cutaway.model.model import Model
from cutaway.model.predict import Predictions, predict
from cutaway.model.sites import Site, Sites, sites

__all__ = [
    "Activations",
    "BudgetExceeded",
    "CostCard",
    "Edit",
    "Mean",
    "Metric",
    "Model",
    "Predictions",
    "ProjectOut",
    "Replace",
    "Site",
    "Sites",
    "Steer",
    "Tiles",
    "UnknownSite",
    "UnsupportedModel",
    "Zero",
    "accuracy",
    "capture",
    "cost_card",
    "edited",
    "evaluate",
    "feature_maps",
    "kernel_tiles",
    "load_model",
    "logit_of",
    "loss",
    "margin",
    "predict",
    "probability_of",
    "sites",
]
