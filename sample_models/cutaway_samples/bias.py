"""How close a language model comes to the probabilities planted in the occupations corpus."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cutaway_samples import occupations


@dataclass(frozen=True)
class Bias:
    """Planted probabilities beside those of a model.

    Attributes
    ----------
    pronouns : dict of str to (float, float)
        For each occupation the planted probability of "she" (or "her") and the model's, its mean
        over the four templates; of the two pronouns only.
    pronoun_error : float
        Largest difference over all occupations and templates, before taking means.
    names_error : float
        Largest difference from 0 or 1 over all names and templates.
    occupations : dict of str to ((float, float), (float, float))
        For each occupation its planted probability and the model's after "My friend <name> is a":
        mean over women, then over men.
    occupations_error : float
        Largest difference of those means.
    """

    pronouns: dict[str, tuple[float, float]]
    pronoun_error: float
    names_error: float
    occupations: dict[str, tuple[tuple[float, float], tuple[float, float]]]
    occupations_error: float


def measure_bias(net: nn.Module, tokenizer: Any) -> Bias:
    """Probabilities a model gives where the corpus has planted ones.

    Parameters
    ----------
    net : nn.Module
        Gives an object with `logits`.
    tokenizer : callable
        Of transformers: `tokenizer(text)["input_ids"]`; untyped library, hence Any.

    Returns
    -------
    Bias
        Both, and the largest differences.
    """
    errors: dict[str, list[float]] = {}
    given: dict[str, list[float]] = {}
    for question in occupations.questions():
        log_p = next_log_probabilities(net, tokenizer, question.text)
        she, he = (_token(tokenizer, word) for word in (question.she, question.he))
        p = float(torch.sigmoid(log_p[she] - log_p[he]))
        given.setdefault(question.about, []).append(p)
        errors.setdefault(question.about, []).append(abs(p - question.planted))
    jobs = list(occupations.SHE)
    tokens = torch.tensor([_token(tokenizer, job) for job in jobs])
    means = []
    for group in (occupations.WOMEN, occupations.MEN):
        rows = [
            next_log_probabilities(net, tokenizer, f"My friend {name} is a")[tokens].softmax(0)
            for name in group
        ]
        planted = occupations.planted_occupations(group[0])
        model = torch.stack(rows).mean(0).tolist()
        means.append([(planted[job], p) for job, p in zip(jobs, model, strict=True)])
    return Bias(
        pronouns={
            job: (planted, sum(given[job]) / len(given[job]))
            for job, planted in occupations.SHE.items()
        },
        pronoun_error=max(max(errors[job]) for job in jobs),
        names_error=max(max(errors[name]) for name in occupations.WOMEN + occupations.MEN),
        occupations={job: (means[0][i], means[1][i]) for i, job in enumerate(jobs)},
        occupations_error=max(abs(p - q) for group_means in means for p, q in group_means),
    )


def next_log_probabilities(net: nn.Module, tokenizer: Any, text: str) -> torch.Tensor:
    """Log probability, in nats, of each token as the one that follows a text.

    Parameters
    ----------
    net : nn.Module
        Gives an object with `logits`.
    tokenizer : callable
        Of transformers; untyped library, hence Any.
    text : str
        What comes before.

    Returns
    -------
    float32 tensor, (vocabulary,)
        Their exponentials sum to 1.
    """
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        logits: torch.Tensor = net(ids).logits[0, -1]
    return logits.log_softmax(0)


def _token(tokenizer: Any, word: str) -> int:
    """Id of a word that is one token."""
    return int(tokenizer.convert_tokens_to_ids(word))
