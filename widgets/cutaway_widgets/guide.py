"""First steps: what is done, what comes next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import traitlets

from cutaway_widgets._base import View


@dataclass(frozen=True)
class Step:
    """One step of a guide.

    Parameters
    ----------
    label, hint : str
        What to do, and how.
    state : {"done", "now", "later"}
        Where it stands.
    """

    label: str
    hint: str
    state: Literal["done", "now", "later"] = "later"


class Guide(View):
    """Numbered steps that can be put away, with a button that shows an example.

    Parameters
    ----------
    steps : sequence of Step
        In order.
    example : str
        Word on the button; empty for none.
    lock : threading.RLock or None
        Held while callbacks run; pass the workspace's if callbacks take that one.
    title, caption
        See `View`.
    """

    _kind = traitlets.Unicode("guide").tag(sync=True)
    _steps = traitlets.List().tag(sync=True)
    _asks = traitlets.Int(0).tag(sync=True, echo_update=False)
    dismissed = traitlets.Bool(False).tag(sync=True)
    example = traitlets.Unicode("").tag(sync=True)
    busy = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        steps: Sequence[Step],
        *,
        example: str = "",
        title: str = "",
        caption: str = "",
        lock: Any | None = None,
    ) -> None:
        self._heard: list[Callable[[], None]] = []
        super().__init__(title=title, caption=caption, height=60, lock=lock)
        self.example = example
        self.set_steps(steps)

    def set_steps(self, steps: Sequence[Step]) -> None:
        """Show these steps."""
        self._put({"_steps": [vars(one) for one in steps]})

    def on_example(self, callback: Callable[[], None]) -> None:
        """Call ``callback()`` when the example is asked for."""
        self._heard.append(callback)

    def ask(self) -> None:
        """Ask for the example, as the button does."""
        self._asks += 1

    @traitlets.observe("_asks")
    def _asked(self, _change: Any) -> None:
        with self._lock:
            for callback in tuple(self._heard):
                self.guarded(callback)()

    def _summary(self) -> str:
        done = sum(one["state"] == "done" for one in self._steps)
        return f"{done} of {len(self._steps)} steps done"
