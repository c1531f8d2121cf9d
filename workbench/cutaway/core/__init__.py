"""Values that every layer shares: ids, origins, results, selections, progress."""

from cutaway.core.index import Index
from cutaway.core.origin import Origin
from cutaway.core.result import Result
from cutaway.core.selection import Selection
from cutaway.core.tick import Cancelled, Tick, part, silent

__all__ = ["Cancelled", "Index", "Origin", "Result", "Selection", "Tick", "part", "silent"]
