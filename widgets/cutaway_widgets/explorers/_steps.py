"""What the page says to a first reader: its panels, its empty states, the next step."""

from cutaway_widgets.guide import Step

TABS = {"open": "Open", "lens": "Lens", "compare": "Compare", "session": "Session"}
START = (
    "Look inside a trained network.\n"
    "Choose a model and data and press Open, or press “Show me an example”."
)
READY = "Pick layers, choose a lens and press Run: results appear here."
_WORDS = (
    ("Open", "Choose a model and data."),
    ("Pick layers", "Tick one or two in the tree."),
    ("Run", "A lens looks for something in them."),
    ("Look and brush", "Pick a filter, lasso samples: all follow."),
)


def steps(*, opened: bool, picked: bool, ran: bool, brushed: bool) -> list[Step]:
    """The four steps; the first that is not done comes next.

    Parameters
    ----------
    opened, picked, ran, brushed : bool
        Whether a model is open, layers are picked, results are there, samples are selected.
    """
    done = (opened, picked or ran, ran, brushed)
    following = done.index(False) if False in done else len(done)
    return [
        Step(label, hint, "done" if done[at] else "now" if at == following else "later")
        for at, (label, hint) in enumerate(_WORDS)
    ]
