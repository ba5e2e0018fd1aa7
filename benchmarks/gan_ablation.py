"""Write gan_ablation.md, a table of every trial of the GAN, from gan_trials.csv.

    python benchmarks/gan_ablation.py

Trials are scored on a part of the cohort's training table that was set aside; no trial has seen a holdout.
An empty cell was not measured.
"""

from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
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
    lines = [f"| {' | '.join(HEADINGS.values())} |", "| " + " | ".join("---" for _ in HEADINGS) + " |"]
    lines += [f"| {' | '.join(row)} |" for row in trials[list(HEADINGS)].to_numpy()]
    (HERE / "gan_ablation.md").write_text("\n".join(["# The GAN's trials", "", *lines, ""]))


if __name__ == "__main__":
    main()
