"""Groups of features, the streams that they are found as, and how layers are cut at their borders.

A *stream* is a run of features on its way through the network; a *flow* is what a value carries
along its feature axis: one stream, or several behind a concatenation.
"""

from dataclasses import dataclass, field
from typing import NamedTuple


class Producer(NamedTuple):
    """A layer whose weight has the features on axis 0, and the batch norm right behind it.

    A depthwise convolution's kernels belong to its features, so it is one of their producers, as is
    a batch norm that scales them further on.
    """

    path: str
    norm: str | None


class Consumer(NamedTuple):
    """A layer whose weight has the features on axis 1, `block` columns each."""

    path: str
    block: int


@dataclass(frozen=True)
class Split:
    """How a layer is cut so that every part has one group on each axis.

    Parameters
    ----------
    path : str
        Of the layer; its parts are called ``path.ROW_COLUMN``, or `path` if there is but one.
    rows, columns : tuple of int
        Lengths of the parts along axis 0 and axis 1.
    diagonal : bool
        There are only parts (k, k): a depthwise or grouped convolution, or a batch norm.
    norm : str or None
        Path of the batch norm right behind it, which is folded into it before.
    """

    path: str
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    diagonal: bool = False
    norm: str | None = None

    def part(self, row: int, column: int) -> str:
        """Path of a part."""
        whole = len(self.rows) == len(self.columns) == 1
        return self.path if whole else f"{self.path}.{row}_{column}"

    def places(self) -> list[tuple[int, int]]:
        """Row and column of every part, row by row."""
        if self.diagonal:
            return [(one, one) for one in range(len(self.rows))]
        return [
            (row, column) for row in range(len(self.rows)) for column in range(len(self.columns))
        ]


@dataclass(frozen=True)
class Group:
    """All tensor axes that index the same features.

    Parameters
    ----------
    name : str
        Path of the first producer.
    size : int
        Number of features.
    producers, consumers : tuple
        In network order; paths are those of parts where a layer is cut.
    curved : tuple of str
        What on the way does not follow when rows are scaled, e.g. ``"tanh1 (Tanh)"``, a product, a
        depthwise convolution.
    splits : tuple of Split
        The layers among them that are cut or changed to a plain form.
    still : str
        Why features may change places but not merge; empty where they may.
    channels : int
        Channels that make one feature: as many as the groups of a grouped convolution.
    """

    name: str
    size: int
    producers: tuple[Producer, ...]
    consumers: tuple[Consumer, ...]
    curved: tuple[str, ...]
    splits: tuple[Split, ...] = ()
    still: str = ""
    channels: int = 1


@dataclass(frozen=True)
class Refusal:
    """Features that cannot be grouped, and why."""

    name: str
    size: int
    reason: str


class Segment(NamedTuple):
    """One stream's stretch of a feature axis, `block` places a feature."""

    stream: int
    block: int


class Flow(NamedTuple):
    """What a value carries along its feature axis."""

    segments: tuple[Segment, ...]
    axis: int


@dataclass
class Stream:
    """Features of one producer, or of several that are joined.

    `parts` is the number of runs that index alike: of a grouped convolution's channels the k-th of
    every run make one feature. `listed` is False for what is refused elsewhere.
    """

    name: str
    size: int
    curved: list[str] = field(default_factory=list)
    reason: str = ""
    still: str = ""
    parts: int = 1
    listed: bool = True


class Streams:
    """All streams of a walk; joined ones are one."""

    def __init__(self) -> None:
        self.all: list[Stream] = []
        self.parents: list[int] = []

    def start(self, name: str, size: int, *, listed: bool = True) -> int:
        """Number of a new stream."""
        self.all.append(Stream(name, size, listed=listed))
        self.parents.append(len(self.parents))
        return len(self.parents) - 1

    def root(self, stream: int) -> int:
        """Number of the stream that this one is a part of."""
        while self.parents[stream] != stream:
            stream = self.parents[stream]
        return stream

    def of(self, stream: int) -> Stream:
        """The stream of a number."""
        return self.all[self.root(stream)]

    def roots(self) -> list[int]:
        """Numbers of the streams that are no part of another."""
        return [one for one, parent in enumerate(self.parents) if one == parent]

    def close(self, flow: Flow, reason: str) -> None:
        """No features of a value can be grouped; the first reason stays."""
        for one in flow.segments:
            stream = self.of(one.stream)
            stream.reason = stream.reason or reason

    def join(self, one: int, other: int) -> None:
        """Make one stream of two of the same size."""
        first, second = sorted((self.root(one), self.root(other)))
        if first == second:
            return
        kept, gone = self.all[first], self.all[second]
        kept.curved += gone.curved
        kept.reason = kept.reason or gone.reason
        kept.still = kept.still or gone.still
        self.parents[second] = first
        if kept.listed or gone.listed:
            kept.listed = True
        parts = gone.parts
        if parts > 1:
            self.divide(first, parts)

    def divide(self, stream: int, parts: int) -> None:
        """Let the k-th features of so many runs be one feature."""
        one = self.of(stream)
        if one.parts not in (1, parts):
            one.reason = one.reason or (
                f"grouped convolutions of {one.parts} and {parts} groups share its features"
            )
        one.parts = parts

    def alike(self, flows: list[Flow]) -> bool:
        """Whether values carry streams of the same lengths along the same axis."""
        forms = {
            (one.axis, tuple((self.of(s.stream).size, s.block) for s in one.segments))
            for one in flows
        }
        return len(forms) == 1
