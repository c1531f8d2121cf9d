"""How well a sample model does, as one value for pictures and for texts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Right answers and loss over some digits, or over the tokens of some texts.

    Attributes
    ----------
    correct, n : int
        Digits or tokens that were the most probable one, of how many.
    loss : float
        Mean cross entropy in nats per digit or token.
    """

    correct: int
    n: int
    loss: float

    @property
    def accuracy(self) -> float:
        """Fraction that was right."""
        return self.correct / self.n
