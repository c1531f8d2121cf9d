"""Strict constructors: a misspelt keyword is an error with a hint, never ignored."""

import inspect
from typing import Any

from cutaway.core import check


class Strict:
    """Mix-in that refuses unknown keywords before anything is built.

    traitlets swallows a misspelt keyword without a word; a view would then silently look wrong.
    """

    def __new__(cls, *args: Any, **keywords: Any) -> Any:
        """Check the keywords against the constructor's signature.

        Raises
        ------
        TypeError
            If a keyword is unknown; names the nearest ones that exist.
        """
        known = [
            one.name
            for one in inspect.signature(cls.__init__).parameters.values()
            if one.name != "self"
        ]
        for name in keywords:
            if name not in known:
                hint = ", ".join(repr(one) for one in check.nearest(name, known, n=2))
                raise TypeError(
                    f"{cls.__name__} keywords must be among {', '.join(known)}, got {name!r}; "
                    f"did you mean {hint or 'none of these'}?"
                )
        return super().__new__(cls, *args, **keywords)
