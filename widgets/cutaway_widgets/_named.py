"""Selections kept under a name: records on the wire, and what they mean in ids."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cutaway.core import Index, Selection, check

# name: str, mask: bytes (bit i, lowest first, is row i), of: digest of the index, by: who selected.
Record: TypeAlias = Mapping[str, Any]
LONGEST = 60


def flags(mask: bytes, n: int) -> NDArray[np.bool_]:
    """One bool a row, shape (n,)."""
    raw = np.frombuffer(mask, np.uint8)
    return np.unpackbits(raw, count=n, bitorder="little").view(np.bool_)


def mask_of(ids: Iterable[int | str], index: Index) -> bytes:
    """Bits of some ids; `KeyError` if one is not in the index."""
    wanted = ids if isinstance(ids, np.ndarray) else list(ids)
    bits = np.zeros(len(index), np.bool_)
    bits[index.positions(wanted)] = True
    return np.packbits(bits, bitorder="little").tobytes()


def checked(name: str) -> str:
    """Name without blanks around it.

    Raises
    ------
    ValueError
        If it is empty or longer than 60 characters.
    """
    found = str(name).strip()
    if not 0 < len(found) <= LONGEST:
        raise ValueError(
            f"name must have 1 to {LONGEST} characters, got {len(found)}; give a short name"
        )
    return found


def record(name: str, mask: bytes, of: str, by: str) -> Record:
    """Wire form of one named selection."""
    return {"name": name, "mask": bytes(mask), "of": of, "by": by}


def put(records: Sequence[Record], fresh: Record) -> list[Record]:
    """The records with this one in the place of one of its name, else last."""
    if not any(one["name"] == fresh["name"] for one in records):
        return [*records, fresh]
    return [fresh if one["name"] == fresh["name"] else one for one in records]


def find(records: Sequence[Record], name: str) -> Record:
    """The record of a name.

    Raises
    ------
    KeyError
        If there is none; names those that are there.
    """
    for one in records:
        if one["name"] == name:
            return one
    known = [str(one["name"]) for one in records]
    raise KeyError(
        f"name must be among the kept selections {known}, got {name!r}; keep one with link.keep"
    )


def selections(records: Sequence[Record], index: Index) -> dict[str, Selection]:
    """What the records mean; records about other rows mean nothing."""
    size = (len(index) + 7) // 8
    return {
        str(one["name"]): Selection.where(
            index, flags(bytes(one["mask"]), len(index)), by=one["by"]
        )
        for one in records
        if one["of"] == index.digest and len(one["mask"]) == size
    }


def carry(records: Sequence[Record], old: Index, new: Index) -> tuple[list[Record], list[str]]:
    """Records for other rows: the same when the ids are, in any order.

    Returns
    -------
    list of Record
        Those that still mean something.
    list of str
        Names of those that do not.
    """
    names = [str(one["name"]) for one in records]
    if old.digest == new.digest or not records:
        return list(records), []
    same = (
        old.axis == new.axis
        and len(old) == len(new)
        and old.ids.dtype.kind == new.ids.dtype.kind
        and np.array_equal(np.sort(old.ids), np.sort(new.ids))
    )
    if not same:
        return [], names
    meant = selections(records, old)
    moved = [record(name, mask_of(one.ids, new), new.digest, one.by) for name, one in meant.items()]
    return moved, [name for name in names if name not in meant]


def combine(present: bytes, named: bytes, how: str) -> bytes:
    """Bits of the present selection and a named one, as sets.

    Raises
    ------
    ValueError
        If `how` is not "replace", "and", "or" or "minus".
    """
    check.one_of("how", how, ["replace", "and", "or", "minus"])
    a, b = np.frombuffer(present, np.uint8), np.frombuffer(bytes(named), np.uint8)
    ways = {"replace": b, "and": a & b, "or": a | b, "minus": a & ~b}
    return ways[how].tobytes()
