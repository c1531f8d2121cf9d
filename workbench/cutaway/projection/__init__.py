"""Rows of any matrix as points in the plane: PCA, UMAP, t-SNE."""

from cutaway.projection.points import Projection, project

__all__ = ["Projection", "project"]
