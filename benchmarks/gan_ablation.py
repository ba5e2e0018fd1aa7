"""Write gan_ablation.md, a table of every trial of the GAN, from gan_trials.csv.

    python benchmarks/gan_ablation.py

Trials are scored on a part of the cohort's training table that was set aside; no trial has seen a holdout.
An empty cell was not measured.
"""

from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
INTRODUCTION = """# The GAN's trials

Each cohort's training table was cut into four fifths to learn from and a fifth to score on, once, with a
fixed seed; no trial has seen a holdout. Numbered trials are one series, in the order in which they were made,
scored by `scoring.py`; a number in the settings names the trial that the change was made to. Trials without a
number are of an earlier series, with other code, another cut and other boosted trees; c1 to c11 are a later
one, with another cut, after which steps and the share under conditions got their defaults: at least 100 steps
and three a column, and half of the batch. Compare within a series and a cohort only. One seed each:
differences below 0.02 (0.05 on whas500) are noise. Validation nats are those of the kept weights on a tenth
of the rows to learn from. CPU seconds were taken beside other work on the machine, which inflates them.
"""
HEADINGS = {
    "cohort": "cohort",
    "trial": "trial",
    "change": "settings",
    "c2st_lgbm": "C2ST raw",
    "c2st_snap": "C2ST snapped",
    "acc2_matched": "2-way",
    "acc2_ceiling": "ceiling",
    "tstr_ratio_lgbm": "TSTR ratio",
    "dcr_share": "DCR",
    "mia_domias": "MIA",
    "validation_nats": "validation nats",
    "best_step": "best step",
    "last_step": "last step",
    "fit_cpu_s": "fit CPU s",
    "sample_rows_per_cpu_s": "rows per CPU s",
}


def main() -> None:
    trials = pd.read_csv(HERE / "gan_trials.csv", dtype=str, keep_default_na=False)
    trials = trials.sort_values("cohort", kind="stable")
    lines = [INTRODUCTION, f"| {' | '.join(HEADINGS.values())} |"]
    lines += ["| " + " | ".join("---" for _ in HEADINGS) + " |"]
    lines += [f"| {' | '.join(row)} |" for row in trials[list(HEADINGS)].to_numpy()]
    (HERE / "gan_ablation.md").write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
