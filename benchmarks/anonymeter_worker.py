"""Anonymeter's own figures for tables in a folder, as JSON.

Run by anonymeter_comparison.py in an environment of its own, so nothing of synthlib is imported here.
"""

import json
import sys
import warnings
from pathlib import Path

import pandas as pd
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator

warnings.simplefilter("ignore")


def main(folder: Path) -> None:
    task = json.loads((folder / "task.json").read_text())
    kinds = dict.fromkeys(task["levels"], str)
    tables = {name: pd.read_csv(folder / f"{name}.csv", dtype=kinds) for name in task["tables"]}
    members, others, num = tables["members"], tables["others"], task["num_attacks"]
    found = []
    for name in task["made"]:
        made = tables[name]
        evaluators = {}
        for mode, width in (("univariate", 1), ("multivariate", task["num_columns"])):
            evaluator = SinglingOutEvaluator(members, made, num, width, others, max_attempts=20 * num, seed=0)
            evaluators[f"singling_out[{mode}]"] = evaluator.evaluate(mode=mode)
        sides = tuple(task["sides"])
        linking = LinkabilityEvaluator(members, made, sides, num, n_neighbors=1, control=others)
        evaluators["linkability"] = linking.evaluate(n_jobs=1)
        for secret in task["secrets"]:
            known = [column for column in made if column != secret]
            numeric = secret not in task["levels"]
            guessing = InferenceEvaluator(members, made, known, secret, numeric, num, others)
            evaluators[f"inference[{secret}]"] = guessing.evaluate(n_jobs=1)
        for attack, evaluator in evaluators.items():
            results = evaluator.results()
            risk = results.risk()
            rates = (results.attack_rate.value, results.control_rate.value, results.baseline_rate.value)
            found.append([name, attack, *rates, risk.value, *risk.ci])
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
