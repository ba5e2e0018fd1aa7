"""What benchmarks/README.md says of figures is what the files beside it hold."""

import re
from pathlib import Path

import pandas as pd
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
README = (FOLDER / "README.md").read_text(encoding="utf-8")
TEXT = " ".join(README.split())


def read_table(heading: str) -> pd.DataFrame:
    """The README's table whose first line begins like this, as texts."""
    lines = README[README.index(heading) :].split("\n\n", 1)[0].splitlines()
    names, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return pd.DataFrame(rows, columns=names)


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / f"{name}.csv")


def test_the_gate_lets_pass_what_was_counted():
    rates = read("gate_power_rates").set_index(["cohort", "table", "threshold"])
    for row in read_table("| Cohort | Table | Judged").to_dict("records"):
        judged = {"all thresholds": "gate"}.get(row["Judged"], row["Judged"])
        found = rates.loc[(row["Cohort"], row["Table"], judged), ["met", "missed", "inconclusive"]]
        assert [row["Met"], row["Missed"], row["Inconclusive"]] == [str(int(count)) for count in found], row


def test_private_budgets_are_means_of_the_runs():
    runs = read("private_budgets").groupby(["cohort", "epsilon", "model"])
    fields = {"2-way": "two_way", "C2ST": "c2st", "snapped": "c2st_snapped", "TSTR ratio": "tstr_ratio"}
    shown = read_table("| Cohort | ε | Generator")
    assert len(shown) == len(runs)
    for row in shown.to_dict("records"):
        run = runs.get_group((row["Cohort"], float(row["ε"].replace("∞", "inf")), row["Generator"]))
        assert int(row["Seeds"]) == len(run)
        for name, field in (fields | {"CPU s": "fit_cpu_s", "cost": "cost"}).items():
            half = 0.5 * 10.0 ** -len(row[name].partition(".")[2])
            assert float(row[name]) == pytest.approx(run[field].mean(), abs=1.01 * half), (row, name)


def test_the_second_scorer_agrees_as_often_as_is_said():
    scores = read("score_agreement")
    matched = scores[scores["definition"] == "matched"]
    others = scores[~scores["metric"].isin(matched["metric"])]
    alike = pd.concat([matched, others])["agreement"].isin(["equal", "inside"])
    own = scores[scores["definition"] == "ours"]["agreement"].value_counts()
    assert f"{alike.sum()} of {len(alike)} figures are equal or inside" in TEXT
    assert f"{own['outside']} are outside and {own['no interval']} have no interval" in TEXT


def test_samples_coverage_and_audits_are_those_of_the_files():
    taken = [
        int(used) for used in re.findall(r"(\d+)/\d+", " ".join(read("evaluate_large")["sampled"].dropna()))
    ]
    assert f"{min(taken):,} to {max(taken):,} rows" in TEXT
    covered = read("usefulness_coverage").set_index(["setting", "interval"])["coverage"]
    right = covered[[key for key in covered.index if re.fullmatch(r"right: (full|single.*)", key[1])]]
    assert f"combining rules {100 * right.min():.0f} to {100 * right.max():.0f} %" in TEXT
    steps = read("step_audit").query("target == 'step' and mistake == 'none' and sampling_rate == 1")
    assert "{:.2f}, {:.2f} and {:.2f} of claims".format(*steps["low"]) in TEXT
    gas = read("gas").query("chain == 'in process' and group == 'ours'").set_index("scenario")["gas_median"]
    for scenario in ("attempt", "verdict", "access under an agreement", "deploy"):
        assert f"{gas[scenario]:,.0f}" in TEXT
