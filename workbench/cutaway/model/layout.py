"""What the axes of an output mean: which one holds samples and which one units.

Letters: n samples, c channels (units), d features (units), h and w places in a picture, t positions
of a sequence, z depth of a volume; 1 an axis of length one that all samples share ("1 t d"). An
output whose first axis joins samples with something else begins with a double letter ("nt d": all
positions of all samples in a row); one without a letter n or 1 has no sample axis ("t d").
"""

import re
from collections.abc import Sequence

from torch import nn

_CHANNELS_FIRST = re.compile(
    r"(Lazy)?(Conv(Transpose)?[123]d|BatchNorm[123]d|InstanceNorm[123]d)|SyncBatchNorm|GroupNorm"
    r"|(Adaptive|Fractional)?(Max|Avg|LP)(Un)?[pP]ool[123]d|Upsample.*|Pixel(Un)?[sS]huffle"
    r"|(Feature)?(Alpha)?Dropout[123]d|LocalResponseNorm|(Zero|Reflection|Replication|Constant)Pad.*"
)
_UNITS_LAST = re.compile(
    r"Linear|Bilinear|NonDynamicallyQuantizableLinear|Conv1D|Embedding(Bag)?|\w*LayerNorm|\w*RMSNorm"
    r"|RNN|LSTM|GRU|MultiheadAttention|Transformer\w*"
)
_FIRST = {2: "n d", 3: "n c t", 4: "n c h w", 5: "n c z h w"}
_LAST = {2: "n d", 3: "n t d", 4: "n h w d", 5: "n z h w d"}


def type_name(module: nn.Module) -> str:
    """Class name of a module; of one from a ``.pt2`` file, the class it was exported from."""
    exported = getattr(module, "type_name", None)
    named = exported() if callable(exported) else None
    return str(named).rpartition(".")[2] if named else type(module).__name__


def class_names(module: nn.Module) -> tuple[str, ...]:
    """Names that a module answers to: its type name, then its base classes up to ``Module``."""
    bases = [one.__name__ for one in type(module).__mro__ if issubclass(one, nn.Module)]
    return tuple(dict.fromkeys([type_name(module), *bases]))


def certain(names: Sequence[str], n_dims: int) -> str | None:
    """Layout that follows from a module's type alone, or None (ReLU, containers, own classes).

    Parameters
    ----------
    names : sequence of str
        From `class_names`.
    n_dims : int
        Number of axes of the output, the sample axis included.
    """
    for name in names:
        if _CHANNELS_FIRST.fullmatch(name):
            return _FIRST.get(n_dims)
        if _UNITS_LAST.fullmatch(name):
            return _LAST.get(n_dims)
    return None


def usual(n_dims: int) -> str:
    """Layout to assume when neither the type nor an earlier output of the same shape tells."""
    known = {0: "", 1: "n", 2: "n d", 3: "n t d", 4: "n c h w", 5: "n c z h w"}
    return known.get(n_dims) or " ".join(["n", "c", *(f"x{i}" for i in range(1, n_dims - 1))])


def with_samples_at(layout: str, axis: int | None) -> str:
    """Layout whose sample axis lies elsewhere: ``("n t d", 1)`` gives ``"t n d"``.

    Parameters
    ----------
    layout : str
        A layout that begins with n.
    axis : int or None
        Where the sample axis was seen; None: nowhere, all samples share one output ("1 t d").
    """
    rest = layout.split()[1:]
    if axis is None:
        return " ".join(["1", *rest])
    return " ".join([*rest[:axis], "n", *rest[axis:]])


def unit_axis(layout: str) -> int | None:
    """Place of the unit axis (c or d) in a layout, or None."""
    letters = layout.split()
    found = [place for place, letter in enumerate(letters) if letter in {"c", "d"}]
    return found[0] if found else None
