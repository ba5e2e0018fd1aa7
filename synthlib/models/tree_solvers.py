"""Counts along a tree that contradict each other in nothing, as near to noisy ones as can be.

Two ways to the same minimum: the library `mbi`, which is an optional extra, and mirror descent in numpy for
trees alone, which needs no extra and no compiler.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from synthlib.models.private_encoding import to_simplex

Tables = dict[tuple[int, ...], np.ndarray]
MOST_HALVINGS = 40  # of a step, after which there is nothing left to gain
FASTER = 1.1  # by which a step that helped lets the next one grow


def list_edges(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pairs of a tree as (parent, child), from column 0 on, parents first."""
    reached, left, edges = {0}, list(pairs), []
    while left:
        pair = next(pair for pair in left if (pair[0] in reached) != (pair[1] in reached))
        edges.append(pair if pair[0] in reached else pair[::-1])
        reached |= set(pair)
        left.remove(pair)
    return edges


def solve_with_mbi(
    noisy: Tables, scales: dict, sizes: Sequence[int], num_patients: int, num_iterations: int
) -> Tables:
    """The fitted tables, by the mirror descent of the library mbi.

    Args:
        noisy: column numbers → noisy counts (states of the first, …): of every column, and of the edges of a
            tree over all columns.
        scales: column numbers → standard deviation of the noise on an entry.
        sizes: states of each column.
        num_patients: what each table adds up to.
        num_iterations: of mirror descent.

    Returns:
        The same tables of one distribution, float64: those of the least squared difference over the noise.

    Raises:
        ModuleNotFoundError: without mbi.

    Reference: McKenna, Sheldon and Miklau 2019, "Graphical-model based estimation and inference for
        differential privacy", algorithm 1.
    """
    mbi = import_mbi()
    domain = mbi.Domain([str(column) for column in range(len(sizes))], list(sizes))
    names = {clique: tuple(str(column) for column in clique) for clique in noisy}
    measurements = [
        mbi.LinearMeasurement(table.astype(float).ravel(), names[clique], scales[clique])
        for clique, table in noisy.items()
    ]
    model = mbi.estimation.MirrorDescent().estimate(
        domain, measurements, known_total=float(num_patients), iters=num_iterations
    )
    return {
        clique: np.asarray(model.project(names[clique]).datavector(flatten=False), dtype=float)
        for clique in noisy
    }


def solve_on_tree(
    noisy: Tables, scales: dict, sizes: Sequence[int], num_patients: int, num_iterations: int
) -> Tables:
    """The fitted tables, by the same algorithm in numpy. See `solve_with_mbi`."""
    total = float(num_patients)
    edges = list_edges([clique for clique in noisy if len(clique) == 2])
    if not edges:
        return {(0,): to_simplex(noisy[(0,)].astype(float), total)}
    potentials = [np.zeros((sizes[parent], sizes[child])) for parent, child in edges]
    fitted = _infer(potentials, edges, sizes, total)
    loss, slopes = _compare(fitted, noisy, scales, edges)
    step = 1 / total
    for _ in range(num_iterations):
        for _ in range(MOST_HALVINGS):
            moved = [one - step * slope for one, slope in zip(potentials, slopes, strict=True)]
            tried = _infer(moved, edges, sizes, total)
            tried_loss, tried_slopes = _compare(tried, noisy, scales, edges)
            if tried_loss <= loss:
                break
            step /= 2
        else:
            break
        potentials, fitted, loss, slopes = moved, tried, tried_loss, tried_slopes
        step *= FASTER
    flipped = {clique: fitted[clique[::-1]].T for clique in noisy if clique not in fitted}
    return {clique: fitted.get(clique, flipped.get(clique)) for clique in noisy}


SOLVERS = {"mbi": solve_with_mbi, "tree": solve_on_tree}


def _infer(potentials: list[np.ndarray], edges: list, sizes: Sequence[int], total: float) -> Tables:
    """The tables of the distribution whose logarithm is a sum of potentials, by messages up and down."""
    factors = [np.exp(np.maximum(potential - potential.max(), -600)) for potential in potentials]
    below = [np.ones(size) for size in sizes]
    for (parent, child), factor in zip(reversed(edges), reversed(factors), strict=True):
        below[parent] = below[parent] * (factor @ below[child])
        below[parent] /= below[parent].max()
    tables = {(0,): total * below[0] / below[0].sum()}
    for (parent, child), factor in zip(edges, factors, strict=True):
        joint = factor * below[child]
        joint *= (tables[(parent,)] / np.maximum(joint.sum(axis=1), 1e-300))[:, None]
        tables[parent, child], tables[(child,)] = joint, joint.sum(axis=0)
    return tables


def _compare(fitted: Tables, noisy: Tables, scales: dict, edges: list) -> tuple[float, list[np.ndarray]]:
    """Half the squared difference over the noise, and its slopes by the edges' tables.

    A column's own difference is counted to the edge at which the tree reaches it.
    """
    loss, slopes = 0.0, {}
    for clique, table in fitted.items():
        known = noisy[clique] if clique in noisy else noisy[clique[::-1]].T
        scale = scales[clique] if clique in scales else scales[clique[::-1]]
        apart = (table - known) / scale
        loss += (apart**2).sum() / 2
        slopes[clique] = apart / scale
    joined = [slopes[parent, child] + slopes[(child,)] for parent, child in edges]
    joined[0] = joined[0] + slopes[(0,)][:, None]
    return loss, joined


def import_mbi():
    """The library mbi.

    Raises:
        ModuleNotFoundError: that says how to install it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on single precision, which is enough for counts of patients
            import mbi
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"expected the library mbi, which fits marginals, found no {error.name}; "
            'pip install synthlib[marginals], or fit with solver="tree"'
        ) from error
    return mbi
