"""The named rules: what a distance counts, and how two features become one."""

from collections.abc import Sequence
from dataclasses import dataclass

from cutaway.merging.flow import Group


@dataclass(frozen=True)
class Rule:
    """How distances are taken and two features become one.

    Parameters
    ----------
    fold : bool
        Batch norms are folded into the weights first.
    gauge : bool
        Features are first scaled to unit norm of (rows, bias), their consumers by the inverse.
    average : bool
        True: rows and biases are averaged by count, columns added. False: the reverse.
    with_bias, with_columns : bool
        What the distance counts besides rows.
    weigh : bool
        Squared distances are multiplied by c d / (c + d), c and d the counts of original units:
        what a merge adds to the squared error of all units about their means (Ward).
    repair : bool
        Copies merge first, whatever they count; variances of batch norms add up by the correlation
        of rows; and in the end every feature is brought back to the size of one unit.
    """

    fold: bool
    gauge: bool
    average: bool
    with_bias: bool
    with_columns: bool
    weigh: bool = False
    repair: bool = False


RULES = {
    "official": Rule(False, False, False, False, True),
    "official_bnfold": Rule(True, False, False, False, True),
    "exact": Rule(True, False, True, True, True),
    "exact_scale": Rule(True, True, True, True, False),
    "official_var": Rule(False, False, False, False, True, repair=True),
    "ward": Rule(True, False, True, True, True, weigh=True),
}


def chosen_rule(rule: str, groups: Sequence[Group]) -> str:
    """The rule meant: "auto" is settled by the groups."""
    if rule != "auto":
        return rule
    has_norm = any(one.norm is not None for group in groups for one in group.producers)
    # Rows that are added inflate what stands behind a product or a depthwise convolution.
    curved = any(group.curved for group in groups)
    return "official_var" if has_norm and not curved else "ward"
