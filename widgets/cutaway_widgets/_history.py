"""Undo and redo of selections: the states that were, bounded; as js/src/history.js has it."""

from collections import deque
from dataclasses import dataclass

MOST_STEPS = 100
MOST_BYTES = 16_000_000  # 100 steps of a million rows are 12.5 MB


@dataclass(frozen=True)
class Step:
    """One state of a selection.

    Parameters
    ----------
    mask : bytes
        Bit i, lowest first, is row i.
    by : str
        Who selected.
    step : int
        Number that the page gave it; states of one drag share theirs. -1 for code.
    """

    mask: bytes
    by: str
    step: int = -1


class History:
    """Past, present and future of one link's selection."""

    def __init__(self) -> None:
        self.start(b"")

    def start(self, mask: bytes) -> None:
        """Forget all but this present: the rows are others now."""
        self.now = Step(mask, "code")
        self.past: deque[Step] = deque()
        self.future: deque[Step] = deque()

    def note(self, step: Step) -> None:
        """Take in a new present; one that the page reached by undoing moves back instead."""
        if step.mask == self.now.mask:
            return
        if step.by == "undo" and self._to(step, self.past, self.future):
            return
        if step.by == "redo" and self._to(step, self.future, self.past):
            return
        # Code has no drags, and a later one starts with another number.
        goes_on = step.step >= 0 and (step.by, step.step) == (self.now.by, self.now.step)
        self.future.clear()
        if goes_on and self.past and self.past[-1].mask == step.mask:
            # A drag that came back to where it began is no step.
            self.now = self.past.pop()
            return
        if not goes_on:
            self.past.append(self.now)
        self.now = step
        most = min(MOST_STEPS, max(1, MOST_BYTES // max(1, len(step.mask))))
        while len(self.past) > most:
            self.past.popleft()

    def _to(self, step: Step, there: deque[Step], here: deque[Step]) -> bool:
        """Move to the nearest state with this mask; the page may have taken several steps."""
        if not any(one.mask == step.mask for one in there):
            return False
        while self.now.mask != step.mask:
            here.append(self.now)
            self.now = there.pop()
        return True
