"""Several centres that share no records: what their synthetic tables say together, and what real ones do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from synthlib.evaluation.intervals import NAN, Z
from synthlib.evaluation.usefulness.regression import fit_design, make_design
from synthlib.schema import Schema


def meta_analysis(
    centres: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    schema: Schema,
    kind: str,
    outcome: str,
    predictors: Sequence[str],
    time: str | None = None,
) -> pd.DataFrame:
    """A regression in several centres that share no records, pooled; of synthetic and of real tables.

    Terms and scales are fixed on all centres' synthetic rows, which may be shared. Estimates are pooled with
    weights of inverse variance, centres' effects differing at random (DerSimonian and Laird).

    Args:
        centres: name → (real table, synthetic table) of two centres or more.
        schema: theirs.
        kind, outcome, predictors, time: see `regression.make_design`.

    Returns:
        DataFrame of `term, centre, table, value, low, high, tau`; the centre `"pooled"` last, with the
        standard deviation `tau` between centres. Tables: `real`, `synthetic` (naive intervals) and
        `synthetic_corrected` (rule `"single"` of `inference_agreement.combine`).

    Raises:
        ValueError: if there are fewer than two centres, or columns do not fit.

    Reference: DerSimonian and Laird 1986, "Meta-analysis in clinical trials".
    """
    if len(centres) < 2:
        raise ValueError(f"expected at least two centres, got {len(centres)}")
    shared = pd.concat([made for _, made in centres.values()], ignore_index=True)
    design = make_design(shared, schema, kind, outcome, predictors, time)
    fits: dict[str, list] = {"real": [], "synthetic": [], "synthetic_corrected": []}
    for real, made in centres.values():
        fits["real"].append(fit_design(real, schema, design))
        estimate, error = fit_design(made, schema, design)
        fits["synthetic"].append((estimate, error))
        fits["synthetic_corrected"].append((estimate, error * np.sqrt(len(made) / max(len(real), 1) + 1)))
    rows = []
    for table, found in fits.items():
        estimates, errors = np.array(found).transpose(1, 0, 2)  # (num_centres, num_terms)
        for place, term in enumerate(design.names):
            each = zip(centres, estimates[:, place], errors[:, place], strict=True)
            rows += [(term, name, table, b, b - Z * s, b + Z * s, NAN) for name, b, s in each]
            mean, error, tau = pool(estimates[:, place], errors[:, place])
            rows.append((term, "pooled", table, mean, mean - Z * error, mean + Z * error, tau))
    return pd.DataFrame(rows, columns=["term", "centre", "table", "value", "low", "high", "tau"])


def pool(estimates: np.ndarray, errors: np.ndarray) -> tuple[float, float, float]:
    """Random-effects mean of independent estimates, its standard error, and the spread between them.

    Estimates that are NaN are left out; NaN where none is left.

    Reference: DerSimonian and Laird 1986, "Meta-analysis in clinical trials".
    """
    known = np.isfinite(estimates) & np.isfinite(errors) & (errors > 0)
    b, weight = estimates[known], errors[known] ** -2.0
    if not len(b):
        return NAN, NAN, NAN
    mean = (weight * b).sum() / weight.sum()
    excess = (weight * (b - mean) ** 2).sum() - (len(b) - 1)
    spread = weight.sum() - (weight**2).sum() / weight.sum()
    variance = max(excess / spread, 0.0) if spread > 0 else 0.0
    weight = 1 / (1 / weight + variance)
    mean, error = (weight * b).sum() / weight.sum(), np.sqrt(1 / weight.sum())
    return float(mean), float(error), float(np.sqrt(variance))
