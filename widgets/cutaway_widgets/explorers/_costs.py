"""What a capture of the picked layers will cost, measured beside everything else."""

from typing import Any

from cutaway.core import Tick
from cutaway.model import CostCard as Card
from cutaway.model import cost_card
from cutaway_widgets._job import Job
from cutaway_widgets.cost_card import CostCard
from cutaway_widgets.explorers._layout import end
from cutaway_widgets.explorers._run import POOL
from cutaway_widgets.explorers._work import Opened


class Costs:
    """Cost card that follows the picked layers; quick picks are measured once, the last ones.

    Parameters
    ----------
    max_bytes : int or str
        The most that a capture may keep.
    lock : threading.RLock
        The workspace's.
    inline : bool
        Measure in the caller's thread.
    """

    def __init__(self, max_bytes: int | str, lock: Any, *, inline: bool) -> None:
        self._max_bytes, self._lock = max_bytes, lock
        self.view = CostCard(title="What the capture costs", height=160)
        self.view.layout.display = "none"
        self._job = Job(inline=inline, lock=lock)
        self._wanted: tuple[Opened, tuple[str, ...]] | None = None
        self._measured: tuple[Opened, tuple[str, ...]] | None = None
        self._job.observe(self._ended, "status")

    def want(self, opened: Opened | None, picked: tuple[str, ...]) -> None:
        """Show the cost of these layers; nothing without any."""
        with self._lock:
            if opened is None or not picked:
                self._wanted = self._measured = None
                self.view.layout.display = "none"
                return
            if self._wanted is None or self._wanted[0] is not opened or self._wanted[1] != picked:
                self._wanted = (opened, picked)
                self._next()

    def close(self) -> None:
        """Stop measuring, and end the view."""
        self._wanted = None
        self._job.unobserve(self._ended, "status")
        self._job.cancel()
        own = self.view.link
        end(self.view)
        end(own)

    def _next(self) -> None:
        if self._wanted is None or self._wanted is self._measured or self._job.running:
            return
        opened, picked = self._measured = self._wanted

        def task(tick: Tick) -> Card:
            found = cost_card(
                opened.model, opened.data, opened.sites[list(picked)], pool=POOL,
                max_bytes=self._max_bytes,
            )  # fmt: skip
            tick(1.0, "measured")
            return found

        self._job.start(task, name="cost", on_done=self._show)

    def _show(self, card: Card) -> None:
        with self._lock:
            if self._wanted is self._measured:
                self.view.set_card(card)
                self.view.error = ""
                self.view.layout.display = None

    def _ended(self, _change: Any) -> None:
        status = self._job.status
        if status.state == "failed":
            self.view.error = status.error
            self.view.layout.display = None
        if not self._job.running:
            self._next()
