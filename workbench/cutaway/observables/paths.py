"""A path through a network: heads and MLPs, earliest first, each with the position it reads."""

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

_NODE = re.compile(r"(?:L(?P<attention>\d+)H(?P<head>\d+)|M(?P<mlp>\d+))(?:@(?P<position>\d+))?")


@dataclass(frozen=True)
class Node:
    """One head or MLP of a path.

    Attributes
    ----------
    layer : int
        Counted from 0.
    head : int or None
        None for the layer's MLP.
    position : int or None
        Token position that the node reads; None: where the next node of the path reads, and for
        the last node the last position.
    """

    layer: int
    head: int | None = None
    position: int | None = None

    def __str__(self) -> str:
        name = f"M{self.layer}" if self.head is None else f"L{self.layer}H{self.head}"
        return name if self.position is None else f"{name}@{self.position}"

    @property
    def depth(self) -> tuple[int, bool]:
        """Order of the parts in a sequential network: a layer's heads come before its MLP."""
        return (self.layer, self.head is None)


@dataclass(frozen=True)
class Path:
    """A path, e.g. ``Path("L1H0@4 > M1@6 > L2H1@6")``; it ends at the logits.

    Parameters
    ----------
    text : str
        Nodes from the earliest to the latest with ``>`` between: ``L1H0`` is head 0 of layer 1,
        ``M1`` the MLP of layer 1, ``@t`` the position that the node reads. An empty text is the
        path without parts, from the final norm to the logits. Kept in one canonical spelling.

    Raises
    ------
    ValueError
        If the text cannot be read, or the path goes backwards in depth or position.
    """

    text: str

    def __post_init__(self) -> None:
        """Parse once, check, and keep the canonical spelling."""
        if not isinstance(self.text, str):
            raise TypeError(
                f"path must be a text such as 'L1H0@4 > M1@6', got {type(self.text).__name__}; "
                "write it so, or use Path.of(nodes)"
            )
        words = [word.strip() for word in self.text.split(">")] if self.text.strip() else []
        nodes = tuple(_node(word, self.text) for word in words)
        for one, later in pairwise(nodes):
            if not one.depth < later.depth:
                raise ValueError(
                    f"path must go from earlier to later parts, got {one} before {later} in "
                    f"{self.text!r}; write the earliest node first, one head a layer"
                )
        object.__setattr__(self, "text", " > ".join(map(str, nodes)))
        self.positions(None)

    @classmethod
    def of(cls, *nodes: Node) -> "Path":
        """The path of some nodes, earliest first."""
        return cls(" > ".join(map(str, nodes)))

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes, earliest first."""
        return tuple(_node(word.strip(), self.text) for word in self.text.split(">") if word)

    def positions(self, length: int | None) -> tuple[int | None, ...]:
        """Position that each node reads, for prompts of `length` tokens.

        Parameters
        ----------
        length : int or None
            None checks what can be checked without prompts; open positions stay None.

        Raises
        ------
        ValueError
            If a position lies outside the prompts, a head reads later than it writes, or an MLP
            reads elsewhere than it writes.
        """
        written = None if length is None else length - 1
        found: list[int | None] = []
        for node in reversed(self.nodes):
            read = written if node.position is None else node.position
            _check_position(node, read, written, length)
            found.append(read)
            written = read
        return tuple(reversed(found))

    def __len__(self) -> int:
        return len(self.nodes)

    def __str__(self) -> str:
        return self.text


def _node(word: str, text: str) -> Node:
    match = _NODE.fullmatch(word)
    if match is None:
        raise ValueError(
            f"path must hold nodes like 'L1H0@4' or 'M1@6', got {word!r} in {text!r}; put '>' "
            "between nodes, earliest first"
        )
    position = None if match["position"] is None else int(match["position"])
    if match["mlp"] is not None:
        return Node(int(match["mlp"]), None, position)
    return Node(int(match["attention"]), int(match["head"]), position)


def _check_position(node: Node, read: int | None, written: int | None, length: int | None) -> None:
    if read is None:
        return
    if length is not None and read >= length:
        raise ValueError(
            f"position of {node} must lie in 0..{length - 1}, got {read}; "
            "count the prompts' tokens from 0"
        )
    if written is None:
        return
    if read > written:
        raise ValueError(
            f"position of {node} must be at most {written}, where the next node reads, got {read}; "
            "attention looks back only"
        )
    if node.head is None and read != written:
        raise ValueError(
            f"position of {node} must be {written}, where the next node or the logits read, got "
            f"{read}; an MLP writes where it reads"
        )
