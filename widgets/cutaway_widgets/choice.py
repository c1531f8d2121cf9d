"""One of a few: tabs that show one panel and hide the others, in the browser alone."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import traitlets

from cutaway.core import check
from cutaway_widgets._base import View


class Choice(View):
    """Row of tabs.

    Parameters
    ----------
    options : sequence of str
        Values, in order.
    value : str or None
        The one chosen at first; None for the first.
    titles : mapping of str to str
        Words on the tabs; the value where there is none.
    panels : mapping of str to widget
        What to show while a value is chosen; the others are hidden. Works without a kernel.
    title, caption
        See `View`.
    """

    _kind = traitlets.Unicode("choice").tag(sync=True)
    _options = traitlets.List().tag(sync=True)
    _panels = traitlets.Dict().tag(sync=True)
    value = traitlets.Unicode("").tag(sync=True, echo_update=False)

    def __init__(
        self,
        options: Sequence[str],
        *,
        value: str | None = None,
        titles: Mapping[str, str] | None = None,
        panels: Mapping[str, Any] | None = None,
        title: str = "",
        caption: str = "",
    ) -> None:
        if not options:
            raise ValueError("options must hold at least one value, got none; give some")
        first = options[0] if value is None else value
        check.one_of("value", first, list(options))
        super().__init__(title=title, caption=caption, height=60)
        named = titles or {}
        classes = {name: f"cw-panel-{self.model_id}-{name}" for name in panels or {}}
        for name, panel in (panels or {}).items():
            check.one_of("panels", name, list(options))
            panel.add_class(classes[name])
        self._put(
            {
                "_options": [
                    {"value": one, "label": named.get(one, one), "help": ""} for one in options
                ],
                "_panels": classes,
                "value": first,
            }
        )

    def choose(self, value: str) -> None:
        """Choose this value.

        Raises
        ------
        ValueError
            If it is none of the options.
        """
        check.one_of("value", value, [one["value"] for one in self._options])
        self._put({"value": value})

    def on_choice(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """Call ``callback(value)`` after each change; returns how to stop that."""

        def heard(change: Any) -> None:
            self.guarded(callback)(change["new"])

        self.observe(heard, "value")

        def stop() -> None:
            if self.comm is not None:
                self.unobserve(heard, "value")

        return stop

    def _summary(self) -> str:
        return f"{self.value} of {len(self._options)}"
