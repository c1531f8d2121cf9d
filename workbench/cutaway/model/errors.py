"""Errors of model access that a caller may want to catch."""


class UnsupportedModel(TypeError):  # noqa: N818 - a public name of the design
    """A model, or a part of one, that cannot be opened up; says which part and what would help."""


class UnknownSite(KeyError):  # noqa: N818 - a public name of the design
    """A path that is no site of the model; names the three nearest ones."""

    def __str__(self) -> str:
        """Message as written (`KeyError` would quote it)."""
        return str(self.args[0]) if self.args else ""


class BudgetExceeded(MemoryError):  # noqa: N818 - a public name of the design
    """A capture that would need more than the caller allows; `card` holds the estimate."""

    def __init__(self, message: str, card: object) -> None:
        super().__init__(message)
        self.card = card


class UnknownPosition(ValueError):  # noqa: N818 - like `UnknownSite`
    """A text has no token at the position that an edit names."""


class UnevenTexts(ValueError):  # noqa: N818 - like `UnknownSite`
    """Texts of several lengths in one batch, where the model would answer NaN for the padding."""
