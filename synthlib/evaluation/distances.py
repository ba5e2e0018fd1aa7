"""Distances between many rows and many others, a block at a time, as matrix products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

BLOCK_CELLS = 4_000_000
NUM_NEIGHBOURS = 3
SMALLEST = 1e-3  # added to a distance before its logarithm: equal rows are close, not infinitely so


def distance_blocks(points: np.ndarray, queries: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared distances from blocks of queries to all points, rounded so that equal rows are at 0 and tie."""
    norms = (points**2).sum(axis=1)
    step = max(1, BLOCK_CELLS // max(len(points), 1))
    for start in range(0, len(queries), step):
        block = queries[start : start + step]
        squares = norms - 2 * block @ points.T + (block**2).sum(axis=1)[:, None]
        yield slice(start, start + step), np.round(np.maximum(squares, 0), 9)


def closest_by_group(points: np.ndarray, group: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Squared distance from each query to each group's closest point, shape (num_queries, num_groups)."""
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    found = np.empty((len(queries), len(starts)))
    for rows, squares in distance_blocks(points[order], queries):
        found[rows] = np.minimum.reduceat(squares, starts, axis=1)
    return found


def nearest_squares(points: np.ndarray, queries: np.ndarray, num: int = 1, skip: int = 0) -> np.ndarray:
    """Squared distances to the `num` nearest points after the first `skip`, shape (num_queries, ≤ num).

    `skip=1` leaves a row itself out when the queries are the points. With too few points there are fewer
    columns, but at least one.
    """
    last = min(num + skip, len(points))
    skip = min(skip, last - 1)
    found = np.empty((len(queries), last - skip))
    for rows, squares in distance_blocks(points, queries):
        nearest = np.partition(squares, last - 1, axis=1)[:, :last] if last < len(points) else squares
        found[rows] = np.sort(nearest, axis=1)[:, skip:]
    return found


def log_distance(points: np.ndarray, queries: np.ndarray, skip: int = 0) -> np.ndarray:
    """Mean logarithm of the distances to the nearest points, shape (num_queries,): low where dense."""
    nearest = nearest_squares(points, queries, NUM_NEIGHBOURS, skip)
    return np.log(np.sqrt(nearest) + SMALLEST).mean(axis=1)


def log_kernel_density(points: np.ndarray, queries: np.ndarray, bandwidth: float) -> np.ndarray:
    """Logarithm of the mean of Gaussian kernels at the points, up to a constant, shape (num_queries,)."""
    found = np.empty(len(queries))
    for rows, squares in distance_blocks(points, queries):
        nearest = squares.min(axis=1, keepdims=True)
        total = np.exp((nearest - squares) / (2 * bandwidth**2)).sum(axis=1)
        found[rows] = np.log(total) - nearest[:, 0] / (2 * bandwidth**2)
    return found - np.log(len(points))
