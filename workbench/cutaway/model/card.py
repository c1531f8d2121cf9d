"""What a capture will cost, told before it is paid."""

import html
import re
from dataclasses import dataclass

import pandas as pd

_UNITS = {"": 1, "B": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("KMGT", start=1)
    for suffix, base in (("B", 1000), ("iB", 1024))
}


def byte_count(name: str, value: int | str) -> int:
    """Number of bytes in ``1_000_000``, ``"64MB"`` (10^6) or ``"1GiB"`` (2^30).

    Parameters
    ----------
    name : str
        The argument's name as the caller wrote it.
    value : int or str
        A whole number of bytes, or a number with a unit.

    Raises
    ------
    ValueError
        If it is neither, or not positive.
    """
    found: float = 0
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B|)\s*", value)
        if match and match[2] in _UNITS:
            found = float(match[1]) * _UNITS[match[2]]
    elif isinstance(value, int) and not isinstance(value, bool):
        found = value
    if found < 1:
        raise ValueError(
            f"{name} must be a positive number of bytes, got {value!r}; "
            'write it like 64_000_000, "64MB" or "1GiB"'
        )
    return int(found)


def bytes_text(n: int) -> str:
    """Readable size in decimal units, e.g. ``"18.8 kB"``."""
    size = float(n)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.95:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


@dataclass(frozen=True, eq=False)
class CostCard:
    """Estimate of one capture.

    Parameters
    ----------
    model, data : str
        Names.
    n : int
        Samples.
    batch_size : int
        Samples a batch.
    sites : tuple of str
        Names of the sites.
    shapes : tuple of tuple of int
        What is kept of one sample, a site.
    dtype : str
        "float32" or "float16".
    sizes : tuple of int
        Bytes, a site, all samples.
    limit : int
        Bytes allowed (`max_bytes`).
    free : int or None
        Bytes free on the disk of the store; None in memory.
    seconds : float
        Estimate of the whole, from one warm-up batch.
    where : str
        "memory", or the path of the store.
    parameters : tuple of int
        Parameters in the module of a site and below it; empty where nobody counted.
    macs : tuple of int
        Multiply-accumulates of the module of a site for one sample, see `cutaway.model.macs`;
        empty in the card that a capture shows, which does not wait for them.
    """

    model: str
    data: str
    n: int
    batch_size: int
    sites: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtype: str
    sizes: tuple[int, ...]
    limit: int
    free: int | None
    seconds: float
    where: str
    parameters: tuple[int, ...] = ()
    macs: tuple[int, ...] = ()

    @property
    def total(self) -> int:
        """Bytes of all sites."""
        return sum(self.sizes)

    def to_frame(self) -> pd.DataFrame:
        """One line a site: shape of a sample, bytes a sample, bytes in all; counts where known."""
        columns: dict[str, list[object]] = {
            "shape": ["×".join(map(str, shape)) for shape in self.shapes],
            "bytes_per_sample": [size // self.n for size in self.sizes],
            "bytes": list(self.sizes),
        }
        if self.parameters:
            columns["parameters"] = list(self.parameters)
        if self.macs:
            columns["macs"] = list(self.macs)
        return pd.DataFrame(columns, index=pd.Index(self.sites, name="site"))

    def _lines(self) -> list[tuple[str, str, str]]:
        lines = [
            (site, "×".join(map(str, shape)), bytes_text(size))
            for site, shape, size in zip(self.sites, self.shapes, self.sizes, strict=True)
        ]
        return [*lines, ("total", f"{self.n:,} samples", bytes_text(self.total))]

    def _head(self) -> str:
        plural = "site" if len(self.sites) == 1 else "sites"
        return f"capture {len(self.sites)} {plural} of {self.model} on {self.data}, {self.dtype}"

    def _foot(self) -> str:
        free = "" if self.free is None else f", {bytes_text(self.free)} free"
        return (
            f"into {self.where} (limit {bytes_text(self.limit)}{free}), "
            f"about {self.seconds:.1f} s in batches of {self.batch_size}"
        )

    def __str__(self) -> str:
        lines = self._lines()
        wide = [max(len(line[column]) for line in lines) for column in range(3)]
        table = [f"  {a:<{wide[0]}}  {b:>{wide[1]}}  {c:>{wide[2]}}".rstrip() for a, b, c in lines]
        return "\n".join([self._head(), *table, f"  {self._foot()}"])

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"
            for line in self._lines()
        )
        return (
            f"<table><caption>{html.escape(self._head())}</caption><tbody>{rows}</tbody></table>"
            f"<p>{html.escape(self._foot())}</p>"
        )
