"""What samples hold, as digests taken while they are read.

A digest of 16 bytes a sample (xxh3_128: no secret, but as fast as memory) tells whether what was
read once is what is read now. The way of reading (a picture's size, an array's dtype and shape)
seeds it, so that equal bytes that mean something else have another digest.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from cutaway.core import Index, Tick, silent

if TYPE_CHECKING:
    from PIL import Image

    from cutaway.data.dataset import Batch, Dataset

_AT_ONCE = 256
"""Samples read between two ticks."""

digest_of_bytes = xxhash.xxh3_128_digest


class UnknownContent(TypeError):  # noqa: N818 - reads as what it is
    """A value of a kind whose content cannot be told."""


def seed_of(form: str) -> int:
    """Seed of the digests of samples that are read in this form."""
    return xxhash.xxh3_64_intdigest(form.encode("utf-8", "surrogatepass"))


def digest_of_content(index: Index, digests: Iterable[bytes]) -> str:
    """16 hexadecimal digits over the ids of samples and the digest of each."""
    state = hashlib.blake2b(index.digest.encode(), digest_size=8)
    state.update(b"".join(digests))
    return state.hexdigest()


def digests_of_rows(values: NDArray[Any]) -> tuple[bytes, ...]:
    """Digest of each row of an array as it is stored: bytes, dtype and shape."""
    seed = seed_of(f"array {values.dtype.str} {values.shape[1:]}")
    if not values.size or values.dtype.itemsize == 0:
        return (digest_of_bytes(b"", seed),) * len(values)
    content = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
    length = len(content) // len(values)
    return tuple(
        digest_of_bytes(content[first : first + length], seed)
        for first in range(0, len(content), length)
    )


def digests_of_texts(texts: Iterable[str]) -> tuple[bytes, ...]:
    """Digest of each text's characters."""
    return tuple(digest_of_bytes(text.encode("utf-8", "surrogatepass")) for text in texts)


def digests_of_inputs(inputs: Any) -> tuple[bytes, ...]:
    """Digest of each row of what a model takes: a tensor, a dictionary of tensors, or texts.

    Raises
    ------
    UnknownContent
        If it is something else.
    """
    if isinstance(inputs, Mapping):
        names = sorted(inputs, key=str)
        of_key = [digests_of_inputs(inputs[name]) for name in names]
        seed = seed_of(f"mapping {[str(name) for name in names]}")
        return tuple(digest_of_bytes(b"".join(row), seed) for row in zip(*of_key, strict=True))
    if isinstance(inputs, (list, tuple)) and all(isinstance(one, str) for one in inputs):
        return digests_of_texts(inputs)
    if isinstance(inputs, np.ndarray) or hasattr(inputs, "detach"):
        values = _stored_values(inputs)
        return digests_of_rows(values) if values.ndim else (digest_of_value(values),)
    raise UnknownContent(
        f"inputs must be a tensor, texts or tensors by name, got {type(inputs).__name__}; "
        "give Batch its content= as well"
    )


def digest_of_value(value: Any) -> bytes:
    """Digest of one item: a text, picture, tensor, number, or a mapping or list of them.

    Raises
    ------
    UnknownContent
        If it is something else.
    """
    try:
        return _digest(value)
    except RecursionError as error:
        raise UnknownContent(
            f"items must not hold themselves, got such a {type(value).__name__}; convert them in "
            "the data set's __getitem__"
        ) from error


def _digest(value: Any) -> bytes:
    if isinstance(value, np.ndarray) or hasattr(value, "detach"):
        return digests_of_rows(_stored_values(value)[None])[0]
    content: bytes | None = None
    if isinstance(value, str):
        content = value.encode("utf-8", "surrogatepass")
    elif isinstance(value, (bytes, bytearray)):
        content = bytes(value)
    elif value is None or isinstance(value, (bool, int, float, complex, np.generic)):
        content = repr(value).encode()
    elif isinstance(value, Mapping):
        names = sorted(value, key=str)
        content = repr([str(name) for name in names]).encode()
        content += b"".join(_digest(value[name]) for name in names)
    elif isinstance(value, (list, tuple)):
        content = b"".join(map(_digest, value))
    elif hasattr(value, "tobytes") and hasattr(value, "mode") and hasattr(value, "size"):
        content = digest_of_picture(value)
    elif hasattr(value, "__dict__"):
        content = _digest(vars(value))
    if content is None:
        raise UnknownContent(
            f"items must hold texts, pictures, tensors or numbers, got {type(value).__name__}; "
            "convert them in the data set's __getitem__"
        )
    return digest_of_bytes(content, seed_of(type(value).__name__))


def digest_of_picture(image: "Image.Image") -> bytes:
    """Digest of a decoded picture: pixels, mode, size and palette."""
    palette = bytes(image.getpalette() or ()) if image.mode in ("P", "PA") else b""
    return digest_of_bytes(image.tobytes() + palette, seed_of(f"picture {image.mode} {image.size}"))


def _stored_values(value: Any) -> NDArray[Any]:
    """Values of an array or tensor as they are stored; what numpy lacks (bfloat16) as bytes."""
    if isinstance(value, np.ndarray):
        return value
    import torch

    plain = value.detach().cpu()
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    plain = plain.resolve_conj().resolve_neg().contiguous()
    try:
        array: NDArray[Any] = plain.numpy()
    except TypeError:
        array = plain.unsqueeze(-1).view(torch.uint8).numpy()
    return array


def digests_of(data: "Dataset", positions: NDArray[np.int64]) -> tuple[bytes, ...]:
    """Digest of what some samples of any data set hold, read anew.

    Parameters
    ----------
    data : Dataset
        Samples; those of `load_data` are read without being decoded where a file holds them.
    positions : ndarray of shape (k,)
        Places 0 … n-1.

    Returns
    -------
    tuple of bytes
        16 bytes a sample.
    """
    read = getattr(data, "digests", None)
    if read is not None:
        return tuple(read(positions))
    return contents(data.batch(positions))


def contents(batch: "Batch") -> tuple[bytes, ...]:
    """Digests of a batch: its own, else those of its inputs, row by row."""
    return digests_of_inputs(batch.inputs) if batch.content is None else batch.content


def content_of(data: "Dataset") -> str:
    """Digest of what the samples of any data set hold: 16 hexadecimal digits.

    Parameters
    ----------
    data : Dataset
        What `load_data` returned gives the digest of its last complete read, and is read once if
        there was none. Any other data set is read.

    Returns
    -------
    str
        Changes with any sample, id, the order, and the way of reading; not with the labels.
    """
    own = getattr(data, "content", None)
    return own if isinstance(own, str) else read_content(data)


def read_content(data: "Dataset", *, progress: Tick = silent) -> str:
    """As `content_of`, always read anew.

    Parameters
    ----------
    data : Dataset
        Any data set.
    progress : Tick
        Called with the fraction of the samples that were read.
    """
    n = len(data)
    digests: list[bytes] = []
    for first in range(0, n, _AT_ONCE):
        progress(first / n, f"content: {first}/{n} samples")
        digests += digests_of(data, np.arange(first, min(first + _AT_ONCE, n)))
    progress(1.0, f"content: {n}/{n} samples")
    return keep_content(data, digests)


def keep_content(data: "Dataset", digests: Sequence[bytes]) -> str:
    """Digest of a complete read, which `Samples.content` returns from now on.

    Parameters
    ----------
    data : Dataset
        What was read.
    digests : sequence of bytes
        One digest for each of its samples, in order.
    """
    if len(digests) != len(data):
        raise ValueError(
            f"digests must be one for each of the {len(data)} samples, got {len(digests)}; "
            "read all of them"
        )
    keep = getattr(data, "_keep", None)
    if keep is not None:
        return str(keep(tuple(digests)))
    return digest_of_content(data.index, digests)
