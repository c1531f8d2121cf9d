"""A network, how data enters it, and the lock under which it may be hooked."""

import inspect
import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias

import torch
import xxhash
from torch import Tensor, nn

from cutaway.core import check, digest
from cutaway.data.dataset import Batch, Dataset
from cutaway.model import layout, outputs, tokens
from cutaway.model.errors import UnevenTexts
from cutaway.model.tokens import SpecialTokens

Kind: TypeAlias = Literal["image", "tokens", "array"]
Inputs: TypeAlias = Tensor | dict[str, Tensor]

_ALWAYS_HASHED = 2 * 2**30  # bytes; up to here a digest costs a fraction of a second: never cached
_PROBED = 64  # values of a tensor that tell a write which its version counter does not show
_NOT_STRUCTURE = frozenset({"_name_or_path", "name_or_path", "transformers_version"})
_FORWARD_ERRORS = (
    *(RuntimeError, TypeError, ValueError, LookupError),
    *(AttributeError, AssertionError, ArithmeticError),
)
_FIRST_LAYERS: dict[Kind, frozenset[str]] = {
    "tokens": frozenset({"Embedding", "EmbeddingBag"}),
    "image": frozenset({"Conv2d", "ConvTranspose2d"}),
    "array": frozenset({"Linear", "Conv1d", "Conv3d", "RNNBase", "RNN", "LSTM", "GRU"}),
}
_LOCKS: weakref.WeakKeyDictionary[nn.Module, threading.RLock] = weakref.WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()
ACTIVE_EDITS: weakref.WeakKeyDictionary[nn.Module, list[Any]] = weakref.WeakKeyDictionary()
"""Edits at work on a module; `cutaway.model.edit`, which knows their type, keeps it."""
_HASHED: weakref.WeakKeyDictionary[nn.Module, tuple[Any, str]] = weakref.WeakKeyDictionary()


class Model:
    """A module with a name, and how batches enter it.

    Parameters
    ----------
    module : torch.nn.Module
        Kept as it is: training flags, gradients and device are not touched.
    name : str
        Shown in captions; the class name if empty.
    kind : {"image", "tokens", "array"} or None
        What a sample is; None finds out from the first layer.
    tokenizer : transformers.PreTrainedTokenizerBase or None
        Turns texts into token ids.
    example : Tensor, dict of str to Tensor, or None
        A batch (sample axis first) for the shape pass of `sites` when no data is at hand.
    special_tokens : {"auto", True, False}
        Whether texts get the tokenizer's special tokens; see `load_model`.

    Attributes
    ----------
    given : dict or None
        Arguments of `load_model` that load it again, as JSON; None for a live object.

    Raises
    ------
    TypeError
        If `module` is no `torch.nn.Module`.
    ValueError
        If `special_tokens` is something else.
    """

    def __init__(
        self,
        module: nn.Module,
        name: str = "",
        *,
        kind: Kind | None = None,
        tokenizer: Any = None,
        example: Inputs | None = None,
        special_tokens: SpecialTokens = "auto",
    ) -> None:
        if not isinstance(module, nn.Module):
            raise TypeError(
                f"module must be a torch.nn.Module, got {type(module).__name__}; "
                "use load_model for names and files"
            )
        if not isinstance(special_tokens, bool):
            check.one_of("special_tokens", special_tokens, ("auto", True, False))
        self._special_tokens: SpecialTokens = special_tokens
        self._told: set[str] = set()
        self._module = module
        self._name = name or type(module).__name__
        self._kind: Kind = kind or kind_of(module)
        self._tokenizer = tokenizer
        self._example = example
        self.given: dict[str, Any] | None = None
        self._accepts = _accepted(module)

    @property
    def module(self) -> nn.Module:
        """The network itself."""
        return self._module

    @property
    def name(self) -> str:
        """Name for captions and origins."""
        return self._name

    @property
    def kind(self) -> Kind:
        """What a sample is: "image", "tokens" or "array"."""
        return self._kind

    @property
    def tokenizer(self) -> Any:
        """Hugging Face tokenizer, or None."""
        return self._tokenizer

    @property
    def example(self) -> Inputs | None:
        """Batch for the shape pass when no data is given, or None."""
        return self._example

    @property
    def device(self) -> torch.device:
        """Where the first parameter (else buffer) lies; the CPU for a module without any."""
        for tensor in (*self._module.parameters(), *self._module.buffers()):
            return tensor.device
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        """Type of the first floating parameter or buffer: pictures and arrays are cast to it."""
        for tensor in (*self._module.parameters(), *self._module.buffers()):
            if tensor.is_floating_point():
                return tensor.dtype
        return torch.float32

    @property
    def n_parameters(self) -> int:
        """Number of parameters, shared ones counted once."""
        return sum(one.numel() for one in self._module.parameters())

    @property
    def n_positions(self) -> int | None:
        """Longest text in tokens that the model takes; None where nothing states one."""
        return tokens.n_positions(getattr(self._module, "config", None), self._tokenizer)

    @property
    def special_tokens(self) -> SpecialTokens:
        """Whether texts get the tokenizer's special tokens: "auto", True or False."""
        return self._special_tokens

    @property
    def reading(self) -> dict[str, Any]:
        """All that decides which tokens a text becomes, as JSON; empty without a tokenizer."""
        if self._tokenizer is None:
            return {}
        return {
            "tokenizer": tokens.fingerprint(self._tokenizer),
            "special_tokens": self._special_tokens,
            "open_ended": self._open_ended,
            "limit": self.n_positions,
        }

    @property
    def lock(self) -> threading.RLock:
        """Hold it while hooking the module; all `Model` objects of one module share it."""
        with _LOCKS_GUARD:
            return _LOCKS.setdefault(self._module, threading.RLock())

    @property
    def digest(self) -> str:
        """16 hexadecimal digits of the state dict: names, types, shapes and values.

        Notes
        -----
        Inside ``with edited(model, edits)`` the edits are part of it, so that no result of the
        edited model passes for one of the model itself.

        Models above 2 GiB are hashed again only when a tensor was replaced, its version counter
        moved, or one of 64 values spread over it changed. A write of single values through
        ``.data`` or a numpy view may escape that.
        """
        edits = self.active_edits
        weights = self._weights_digest()
        return digest.of_json([weights, edits]) if edits else weights

    @property
    def active_edits(self) -> list[dict[str, Any]]:
        """Edits at work on the module at this moment, in order, as JSON."""
        return [edit.to_json() for edit in ACTIVE_EDITS.get(self._module, ())]

    def _weights_digest(self) -> str:
        state = {k: v for k, v in self._module.state_dict().items() if isinstance(v, Tensor)}
        if sum(one.numel() * one.element_size() for one in state.values()) <= _ALWAYS_HASHED:
            return _digest(state)
        key = tuple((k, v.data_ptr(), _version(v), v.shape, _probe(v)) for k, v in state.items())
        known = _HASHED.get(self._module)  # also for another `Model` of the same module
        if known is None or known[0] != key:
            known = _HASHED[self._module] = (key, _digest(state))
        return known[1]

    @property
    def structure(self) -> str:
        """16 hexadecimal digits of what the weights do not say: modules, options, fixed buffers.

        Notes
        -----
        Two networks of equal weights may compute different things: with another activation
        function, stride or window. What a module prints of itself, a Hugging Face configuration,
        buffers outside the state dict, plain attributes of every module (numbers, texts), hooks of
        other libraries and a ``forward`` that was put in place are in it. What a hook or an object
        keeps elsewhere cannot be told.
        """
        saved = self._module.state_dict().keys()
        fixed = {name: one for name, one in self._module.named_buffers() if name not in saved}
        config = getattr(self._module, "config", None)
        options: dict[str, Any] = (
            {} if config is None or not hasattr(config, "to_dict") else config.to_dict()
        )
        kind = type(self._module)
        return digest.of_json(
            [
                f"{kind.__module__}.{kind.__qualname__}",
                repr(self._module),
                {name: value for name, value in options.items() if name not in _NOT_STRUCTURE},
                _digest(fixed),
                [[name, *_added(module)] for name, module in self._module.named_modules()],
            ]
        )

    def rows(
        self, texts: Sequence[str], *, limit: int | None = None, spans: bool = False, ids: Any = ()
    ) -> list[tokens.Encoded]:
        """Texts as tokens, each by itself, with the special tokens that the model was loaded for.

        Parameters
        ----------
        texts : sequence of str
            Any number.
        limit : int or None
            Cut longer ones, in tokens; None cuts nothing.
        spans : bool
            Ask for the place of each token in its text.
        ids : array_like of shape (n,)
            Ids of the texts, for what is said about them.

        Raises
        ------
        TypeError
            If the model has no tokenizer.

        Warns
        -----
        UserWarning
            Once a model: if a second beginning or an end is left out, an end is read as the last
            token, a text is cut, or it has no token.
        """
        if self._tokenizer is None:
            raise TypeError(
                f"model {self._name!r} must have a tokenizer to read texts, got none; load it from "
                "its Hugging Face folder or give Model(module, tokenizer=…)"
            )
        found = tokens.rows(
            self._tokenizer,
            texts,
            special_tokens=self._special_tokens,
            limit=limit,
            open_ended=self._open_ended,
            spans=spans,
        )
        self._tell(found, ids)
        return found

    def encode(
        self, texts: Sequence[str], *, length: int | None = None, ids: Any = ()
    ) -> dict[str, Tensor]:
        """Texts as ``input_ids`` and ``attention_mask`` of shape (n, t), padded on the right.

        Parameters
        ----------
        texts : sequence of str
            Cut at `n_positions`. A text without any token becomes one padding token.
        length : int or None
            Pad (or cut) to this many tokens; None pads to the longest text.
        ids : array_like of shape (n,)
            Ids of the texts, for what is said about them.
        """
        cut = min((most for most in (self.n_positions, length) if most is not None), default=None)
        found = self.rows(texts, limit=cut, ids=ids)
        empty = [place for place, row in enumerate(found) if not row.ids]
        if empty:
            self._say(
                "empty",
                f"texts must have at least one token for model {self._name!r}, got none in "
                f"{tokens.named(ids, empty[0])} ({len(empty)} such in this batch); read as one "
                "padding token, leave them out",
            )
        return tokens.padded(self._tokenizer, [row.ids for row in found], length=length)

    @cached_property
    def _causal(self) -> bool:
        return tokens.causal(self._module)

    @cached_property
    def _open_ended(self) -> bool:
        return tokens.open_ended(self._module)

    def _tell(self, found: Sequence[tokens.Encoded], ids: Any) -> None:
        """Say once what was changed in texts, and what they keep that surprises."""

        def first(places: Sequence[int]) -> str:
            return f"{tokens.named(ids, places[0])} ({len(places)} of {len(found)} texts)"

        def word(token: int) -> str:
            return repr(self._tokenizer.decode([token]))

        doubled = [place for place, row in enumerate(found) if row.doubled]
        if doubled:
            self._say(
                "doubled",
                f"texts must not begin with {word(found[doubled[0]].ids[0])} themselves where the "
                f"tokenizer of model {self._name!r} puts it before them, got {first(doubled)}; the "
                "second one is left out, special_tokens=True keeps both",
            )
        ended = [place for place, row in enumerate(found) if row.ended]
        if ended:
            self._say(
                "ended",
                f"the tokenizer of model {self._name!r} puts "
                f"{word(tokens.added(self._tokenizer)[1][-1])} after every text, got "
                f"{first(ended)}; it is left out, so that the last position is the text's own, "
                "special_tokens=True keeps it",
            )
        closed = [place for place, row in enumerate(found) if row.closed]
        if closed and self._special_tokens == "auto" and not hasattr(self._module, "config"):
            self._say(
                "closed",
                f"the tokenizer of model {self._name!r} puts {word(found[closed[0]].ids[-1])} "
                f"after every text, got {first(closed)}; it is read as the last token, "
                "special_tokens=False leaves it out",
            )
        cut = [place for place, row in enumerate(found) if row.length > len(row.ids)]
        if cut:
            most, row = max(found[place].length for place in cut), found[cut[0]]
            self._say(
                "cut",
                f"texts must have at most {len(row.ids)} tokens here, got up to {most} in "
                f"{first(cut)}; the rest is cut off, give shorter texts",
            )

    def _say(self, what: str, message: str) -> None:
        if what not in self._told:
            self._told.add(what)
            tokens.tell(message)

    def inputs(self, batch: Batch, *, length: int | None = None) -> Inputs:
        """What goes into the module: a tensor, or token tensors by name, on the model's device.

        Parameters
        ----------
        batch : Batch
            Tensors of floating type are cast to the model's `dtype`; texts are tokenized, cut at
            `n_positions` and padded on the right; token tensors are moved so that their padding is
            on the right.
        length : int or None
            Pad texts to this many tokens; None pads to the longest of the batch.

        Raises
        ------
        TypeError
            If the batch holds texts and the model has no tokenizer.
        ValueError
            If the mask of a text holds no token.
        """
        raw = batch.inputs
        if isinstance(raw, Tensor):
            return self.prepared(raw)
        if isinstance(raw, Mapping):
            return self.prepared(dict(raw), ids=batch.ids)
        return self.prepared(self.encode(raw, length=length, ids=batch.ids), ids=batch.ids)

    def prepared(self, inputs: Inputs, *, ids: Any = None) -> Inputs:
        """Tensors on the model's device and of its type, in the form that the module takes.

        Parameters
        ----------
        inputs : Tensor or dict of str to Tensor
            Names that the module's ``forward`` does not take are left out; a module that takes no
            ``input_ids`` gets the token ids as its first argument. Padding comes to the right.
        ids : array_like of shape (n,) or None
            Ids of the texts, for messages.

        Raises
        ------
        ValueError
            If a text holds no token.
        """
        if isinstance(inputs, Tensor):
            return self._placed(inputs)
        inputs = tokens.aligned(inputs, ids)
        mask = inputs.get("attention_mask")
        if mask is not None and mask.ndim == 2 and "input_ids" in inputs:
            held = mask.to(self.device) != 0
            texts = tokens.Texts(held, ids)
            inputs["input_ids"] = tokens.note(inputs["input_ids"].to(self.device), texts)
        if self._accepts is None or "input_ids" in self._accepts or "input_ids" not in inputs:
            accepted = self._accepts
            return {
                key: self._placed(tensor)
                for key, tensor in inputs.items()
                if accepted is None or key in accepted
            }
        return self._placed(inputs["input_ids"])

    def _sees_nothing(self, held: Tensor) -> bool:
        """Whether padding lies so far from every token that its rows of attention are empty.

        The eager attention of transformers masks with the lowest number of the model's type, which
        in float64 is infinite for its float32 softmax.
        """
        config: Any = getattr(self._module, "config", None)
        windows = [getattr(config, name, None) for name in ("sliding_window", "local_attention")]
        window = min((one for one in windows if isinstance(one, int) and one > 0), default=None)
        eager = getattr(config, "_attn_implementation", None) == "eager"
        if window is None or not eager or self.dtype != torch.float64:
            return False
        return int((~held).sum(1).max()) > window // 2

    def _placed(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, self.dtype if tensor.is_floating_point() else tensor.dtype)

    def call(self, inputs: Inputs, *, module: nn.Module | None = None) -> Any:
        """Raw output of the module, or of a copy of it, for inputs made by `prepared`.

        A Hugging Face model is told not to keep its key-value cache. One that looks back only is
        not told of padding at the right: no token sees what follows it, and a padding that sees
        nothing gives NaN in some types.

        Raises
        ------
        UnevenTexts
            If the model would answer NaN because of the padding.
        """
        target = self._module if module is None else module
        cacheless = self._accepts is not None and "use_cache" in self._accepts
        options = {"use_cache": False} if cacheless else {}
        if isinstance(inputs, Tensor):
            return target(inputs, **options)
        return target(**self._unmasked(inputs), **options)

    def _unmasked(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same without a mask of padding, if that is at the right and nothing looks ahead."""
        mask, ids = inputs.get("attention_mask"), inputs.get("input_ids")
        if mask is None or ids is None or mask.ndim != 2:
            return inputs
        held = mask != 0
        if bool(held.all()):
            return inputs
        if self._causal and bool((held[:, 1:] <= held[:, :-1]).all()):
            told = tokens.noted(ids) or tokens.Texts(held)
            ones = torch.ones_like(mask)
            return {**inputs, "input_ids": tokens.note(ids, told), "attention_mask": ones}
        if self._sees_nothing(held):
            raise UnevenTexts(
                f"texts of one batch must be of one length for model {self._name!r}, got "
                f"{int(held.sum(1).min())} to {int(held.sum(1).max())} tokens: in float64 its "
                "padding sees nothing within the window of its attention and gives NaN to all; "
                "take batch_size=1, or load the model in float32"
            )
        return inputs

    def forward(self, batch: Batch) -> Tensor:
        """Scores of a batch: ``logits`` of a Hugging Face output, else the first tensor.

        Parameters
        ----------
        batch : Batch
            Samples as the data set gives them. Gradients and training mode are the caller's.

        Returns
        -------
        Tensor of shape (n, …)
            On the model's device.

        Raises
        ------
        RuntimeError
            If the module fails; names model, samples and shape, and holds the module's message.
        """
        inputs = self.inputs(batch)
        try:
            return outputs.logits(self.call(inputs))
        except _FORWARD_ERRORS as error:
            if type(error).__module__.startswith("cutaway"):
                raise
            raise RuntimeError(self.failure(inputs, error, batch.ids)) from error

    def failure(self, inputs: Inputs, error: BaseException, ids: Iterable[Any] = ()) -> str:
        """One line that says which inputs the module failed on, why, and what to do."""
        named = [repr(one) for one in getattr(ids, "tolist", lambda: list(ids))()]
        which = f" of samples {named[0]} … {named[-1]}" if len(named) > 1 else ""
        which = f" of sample {named[0]}" if len(named) == 1 else which
        why = " ".join(str(error).split())[:300] or "no message"
        remedy = "give data of the shape and kind it was made for"
        if isinstance(error, torch.OutOfMemoryError):
            remedy = "lower batch_size"
        return (
            f"model {self._name!r} must run on the batch, got {described(inputs)}{which} and "
            f"{type(error).__name__}: {why}; {remedy}"
        )

    def __repr__(self) -> str:
        count = f"{self.n_parameters:,} parameters"
        return f"Model({self._name}, {self._kind}, {count}, {self.device})"


def as_model(model: Model | nn.Module) -> Model:
    """The same model, or a `Model` around a bare module."""
    return model if isinstance(model, Model) else Model(model)


def given(model: Model, data: Dataset) -> dict[str, Any]:
    """How model and data were loaded, for `Origin.given`; None for live objects."""
    return {"model": model.given, "data": getattr(data, "given", None)}


def kind_of(module: nn.Module) -> Kind:
    """What a module takes: by Hugging Face's main input, else by the first layer with weights."""
    if hasattr(module, "config"):
        main = getattr(module, "main_input_name", None)
        if main == "input_ids":
            return "tokens"
        if main == "pixel_values":
            return "image"
    for part in module.modules():
        names = layout.class_names(part)
        for kind, first in _FIRST_LAYERS.items():
            if first.intersection(names):
                return kind
    return "array"


def described(inputs: Inputs) -> str:
    """Type and shape in a few words, e.g. ``"float32 (64, 1, 28, 28)"``."""
    if isinstance(inputs, Tensor):
        return f"{str(inputs.dtype).removeprefix('torch.')} {tuple(inputs.shape)}"
    return ", ".join(f"{key} {described(one)}" for key, one in inputs.items())


def _accepted(module: nn.Module) -> frozenset[str] | None:
    """Argument names of ``forward``; None if it takes any."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
        named = frozenset(one.name for one in parameters)
        return named if "input_ids" in named and "attention_mask" in named else None
    return frozenset(one.name for one in parameters)


def _digest(state: Mapping[str, Tensor]) -> str:
    running = xxhash.xxh3_64()
    for name in sorted(state):
        tensor = state[name].detach()
        if tensor.layout != torch.strided:
            tensor = tensor.to_dense()
        running.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        flat = tensor.cpu().contiguous().reshape(-1)
        if flat.numel():
            running.update(flat.view(torch.uint8).numpy().data)
    return running.hexdigest()


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version  # noqa: SLF001 - the counter's only name


def _probe(tensor: Tensor) -> str:
    flat = tensor.detach().reshape(-1)
    return _digest({"": flat[:: max(1, len(flat) // _PROBED)]}) if len(flat) else ""


def _added(module: nn.Module) -> list[Any]:
    """What an instance has beside parameters and parts: plain attributes, hooks, own methods."""
    told: list[Any] = []
    for name, value in sorted(vars(module).items()):
        if "_hooks" in name and isinstance(value, Mapping):
            # beside the hooks stand flags of some of them, by the same numbers
            found = [_code(hook) for hook in value.values() if callable(hook)]
            told += [[name, hook] for hook in found if not hook.startswith("cutaway")]
        elif name.startswith("_") or name == "training":
            continue
        elif isinstance(value, (bool, int, float, str, tuple, list)):
            told.append([name, repr(value)[:1000]])
        elif callable(value) and not isinstance(value, (nn.Module, Tensor)):
            told.append([name, _code(value)])
    return told


def _code(function: Any) -> str:
    """Name of a function, its compiled form, and the plain values that it was made with."""
    inner = getattr(function, "__func__", getattr(function, "func", function))
    inner = getattr(inner, "__wrapped__", inner)
    name = f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', type(inner))}"
    code = getattr(inner, "__code__", None)
    if code is None:
        return name
    cells = filter(_full, getattr(inner, "__closure__", None) or ())
    made = [cell.cell_contents for cell in cells] + list(getattr(inner, "__defaults__", None) or ())
    plain = [repr(value) for value in made if isinstance(value, (bool, int, float, str))]
    consts = [repr(value) for value in code.co_consts if not hasattr(value, "co_code")]
    body = xxhash.xxh3_64_hexdigest(code.co_code)
    return f"{name} {digest.of_json([body, code.co_names, consts, plain])}"


def _full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # not filled yet
        return False
