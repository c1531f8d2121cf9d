"""Static figures of results, for papers and reports: plotly figures, finished, never shown here."""

# The modules of figures register them at their import.
from cutaway.plots import lenses, merging, observables, overfitting, readings
from cutaway.plots.base import OKABE_ITO, plot

__all__ = ["OKABE_ITO", "plot"]
