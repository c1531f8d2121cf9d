"""Where a head reads: the token that gives most of what it carries."""

import torch
from torch import Tensor

from cutaway.core import Tick
from cutaway.model import Model
from cutaway.observables import Path, components_of, feature_vector
from cutaway.observables.prompts import pair_of
from cutaway.observables.runs import LayerRun, run_layers
from cutaway_widgets.explorers._observable_desk import Question


def reading_path(model: Model, question: Question, head: str, tick: Tick) -> str:
    """Path of one head, with the position of the first pair of prompts where it reads most.

    The position of the largest difference, between the two prompts, of what the last token takes
    from there: attention times the reading of the head's vector.

    Parameters
    ----------
    model : Model
        A causal language model.
    question : Question
        Observable and prompts; without prompts no position is given.
    head : str
        E.g. "L1H0".
    tick : Tick
        Called after each layer.
    """
    if question.pair is None:
        return head
    node = Path(head).nodes[0]
    components = components_of(model)
    layer = components.layers[node.layer]
    vector = torch.tensor(feature_vector(model, question.observable, head).vector_post)
    taken: list[Tensor] = []

    def keep(place: int, run: LayerRun) -> None:
        if place == node.layer and node.head is not None:
            reading = layer.attention_norm.apply(run.entered.cpu().double()) @ vector  # (2, t)
            taken.append(run.pattern[:, node.head, -1].cpu().double() * reading)

    ids = pair_of(model, question.pair, components.n_tokens)
    run_layers(model, components, ids, keep, tick)
    return f"{head}@{int((taken[0][0] - taken[0][1]).abs().argmax())}"
