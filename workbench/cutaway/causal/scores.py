"""One number a sample that gradients can flow through: a logit, or how much a unit fires."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cutaway.data.dataset import Batch
from cutaway.model import metric, outputs
from cutaway.model.hooks import hooked
from cutaway.model.model import Model
from cutaway.model.recorder import Enough
from cutaway.model.sites import Site


@dataclass(frozen=True)
class Unit:
    """A unit at a site, and where its axes lie."""

    site: Site
    number: int

    @property
    def name(self) -> str:
        """Id of the unit, e.g. ``"conv1:3"``."""
        return f"{self.site.path}:{self.number}"


class Score(nn.Module):
    """Target of an attribution, as a function of the inputs (or of the token vectors).

    Captum looks for the non-linear modules inside what it is given, so this is a module; nothing
    of the model is copied or changed.

    Parameters
    ----------
    model : Model
        Whose score.
    unit : Unit or None
        The mean of this unit's output over its places; None: the logit of a class.
    beat : callable
        Called before each forward pass; may raise `Cancelled`.
    """

    def __init__(self, model: Model, unit: Unit | None, beat: Callable[[], None]) -> None:
        super().__init__()
        self.inner = model.module
        self._model = model
        self._unit = unit
        self._beat = beat
        self._tokens: dict[str, Tensor] | None = None
        self.words = False  # are the classes the words of a language model?
        self._classes = torch.empty(0, dtype=torch.int64)
        self._embedding = embedding_path(model.module) if model.kind == "tokens" else ""

    def begin(self, batch: Batch) -> Tensor:
        """Make ready for a batch; returns what attributions are about.

        Returns
        -------
        Tensor of shape (n, …)
            The inputs, detached; of texts, their token vectors (n, t, d).
        """
        inputs = self._model.inputs(batch) if self._model.kind != "tokens" else None
        if inputs is not None:
            if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
                raise TypeError(
                    "data must be pictures, numbers or texts, got inputs by several names; "
                    "wrap the model in a module of one input"
                )
            return inputs.detach()
        ready = metric.prepared(self._model, batch)
        held = ready.inputs
        if isinstance(held, Tensor):
            held = {"input_ids": held, "attention_mask": torch.ones_like(held)}
        if not isinstance(held, dict):
            raise TypeError(f"model {self._model.name!r} must have a tokenizer, got none; give one")
        self._tokens = held
        vectors: list[Tensor] = []

        def keep(_module: nn.Module, _arguments: tuple[Any, ...], output: Tensor) -> None:
            vectors.append(output.detach())
            raise Enough

        with hooked(self.inner, {self._embedding: keep}), suppress(Enough):
            self._model.call(self._model.prepared(dict(held)))
        return vectors[0]

    def aim(self, classes: Tensor) -> None:
        """Take these classes, one a sample of the batch."""
        self._classes = classes

    @property
    def mask(self) -> Tensor | None:
        """Which positions of the batch hold a token, bool (n, t); None where there are none."""
        if self._tokens is None:
            return None
        mask = self._tokens.get("attention_mask")
        return torch.ones_like(self._tokens["input_ids"]).bool() if mask is None else mask.bool()

    def forward(self, x: Tensor, rows: Tensor) -> Tensor:
        """Score of some variants of the samples of the batch.

        Parameters
        ----------
        x : Tensor of shape (k, …)
            In place of what `begin` returned.
        rows : Tensor of shape (k,)
            Which sample of the batch each one is a variant of.

        Returns
        -------
        Tensor of shape (k,)
            A number each.
        """
        self._beat()
        if self._unit is not None:
            return self._fires(self._unit, x, rows)
        return self.logits(x, rows).gather(1, self._classes[rows][:, None])[:, 0]

    def logits(self, x: Tensor, rows: Tensor) -> Tensor:
        """Logits (k, classes); of texts, those after the last token.

        Raises
        ------
        ValueError
            If the model does not answer with a vector of logits a sample.
        """
        found = outputs.logits(self._call(x, rows))
        if self._tokens is not None and found.ndim == 3:
            self.words = True
            some = {key: one[rows] for key, one in self._tokens.items()}
            found = metric.at_end(found, Batch(rows.cpu().numpy(), some))
        if found.ndim != 2:
            raise ValueError(
                f"logits must have shape (n, classes), got {tuple(found.shape)}; "
                "give target=(site, unit)"
            )
        return found

    def _call(self, x: Tensor, rows: Tensor) -> Any:
        if self._tokens is None:
            return self._model.call(x)
        inputs = self._model.prepared({key: one[rows] for key, one in self._tokens.items()})
        with hooked(self.inner, {self._embedding: lambda *_: x}):
            return self._model.call(inputs)

    def _fires(self, unit: Unit, x: Tensor, rows: Tensor) -> Tensor:
        kept: list[Tensor] = []
        watch = nth_output(unit.site, kept, stop=True)
        with hooked(self.inner, {path_of(unit.site): watch}), suppress(Enough):
            self._call(x, rows)
        letters = unit.site.layout.split()
        axis = unit.site.unit_axis
        if not kept or kept[0].ndim != len(letters) or axis is None or "n" not in letters:
            raise ValueError(
                f"target must be a unit of a site with samples and units, got {unit.name!r} where "
                f"the axes are {unit.site.layout!r}; choose another site"
            )
        samples = letters.index("n")
        values = kept[0].select(axis, unit.number).movedim(samples - (samples > axis), 0)
        mask = None if self.mask is None else self.mask[rows]
        if mask is not None and values.shape == mask.shape:
            return (values * mask).sum(1) / mask.sum(1)
        return values.flatten(1).mean(1) if values.ndim > 1 else values


def path_of(site: Site) -> str:
    """Path of a site's module, without the number of the call."""
    return site.path.partition("#")[0]


def nth_output(site: Site, kept: list[Tensor], *, stop: bool = False) -> Callable[..., Any]:
    """Hook that keeps the output of the site's own call; the model goes on with a copy of it.

    A copy, because the next layer may change it in place.
    """
    wanted = int(site.path.partition("#")[2] or 1)
    calls = [0]

    def watch(_module: nn.Module, _arguments: tuple[Any, ...], output: Any) -> Any:
        calls[0] += 1
        tensor = outputs.first_tensor(output)
        if calls[0] != wanted or tensor is None:
            return None
        kept.append(tensor)
        if stop:
            raise Enough
        return tensor.clone() if tensor is output else None

    return watch


def embedding_path(root: nn.Module) -> str:
    """Path of the module that turns token ids into vectors.

    Raises
    ------
    TypeError
        If there is none.
    """
    getter = getattr(root, "get_input_embeddings", None)
    wanted = getter() if callable(getter) else None
    for path, module in root.named_modules():
        if module is wanted or (wanted is None and isinstance(module, nn.Embedding)):
            return str(path)
    raise TypeError(
        f"model must have an nn.Embedding for its tokens, got {type(root).__name__} without one; "
        "attribute a unit behind it in another model"
    )
