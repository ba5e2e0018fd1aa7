"""`synthesize --model private-gpt` of two tables that differ in odd patients: what both releases tell."""

import json

import pandas as pd
import pytest
from test_declared import ODD, SCHEMA, make_table, with_one_more

import synthlib as sl
from synthlib.chain.training_evidence import DATASET, SPLIT
from synthlib.chain.verification import verify
from synthlib.cli import app
from synthlib.commands import synthesizing, terminal
from synthlib.commands.options import read_dataset
from synthlib.keys import StewardKey

WORDS = ("--model", "private-gpt", "--schema", "schema.json", "--public-schema", "--key", "own.key",
         "--rows", "50")  # fmt: skip
SMALL = {
    "hidden_dim": 8, "num_layers": 1, "num_heads": 2, "num_epochs": 1, "tree_rows": 200, "num_steps": 2,
    "public_schema": True, "training_share": 0.0,
}  # fmt: skip
# What may differ by one patient: keyed commitments, digests of what was drawn, and what follows from n.
DRAWN = {"training_commitment", "synthetic_digest", "rows_root"}


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """Two releases and their generators' schemas: without and with patients who are odd in every way."""
    folder = tmp_path_factory.mktemp("neighbours")
    table = pd.concat([make_table(seed) for seed in range(4)], ignore_index=True)
    odd = table.copy()
    for changes in ODD.values():
        odd = with_one_more(odd, changes)
    for name, rows in (("without", table), ("with", odd)):  # a row is a patient
        rows.assign(mrn=range(len(rows))).to_csv(folder / f"{name}.csv", index=False)
    (folder / "schema.json").write_text(SCHEMA.to_json())
    StewardKey.create(folder / "own.key")
    schemas = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("SYNTHLIB_PRIVATE_KEY", "SYNTHLIB_KEYFILE", "SYNTHLIB_WORKSPACE"):
            patch.delenv(name, raising=False)
        patch.setattr(terminal, "show_report", lambda report: None)
        patch.setattr(sl, "evaluate", lambda *tables, **options: pd.DataFrame(columns=sl.Score._fields))
        for name in ("without", "with"):

            def choose(model, schema, *rest, name=name):
                schemas[name] = schema
                return sl.PrivateTabularGPT(schema, **SMALL)

            patch.setattr(synthesizing, "choose", choose)
            patch.setattr("synthlib.commands.tables.choose", choose)
            data = ("--save-data", f"data_{name}", *WORDS)
            assert terminal.run(app, ["synthesize", f"{name}.csv", "--out", name, *data]) == 0
            assert terminal.run(app, ["record", name]) == 0
    return folder, schemas


def test_the_generator_is_given_the_same_schema(releases):
    _, schemas = releases
    assert schemas["without"] == schemas["with"]
    assert not {"mrn", "remark"} & set(schemas["with"].names)


def test_what_the_manifest_tells_is_the_same_but_for_what_noise_and_keys_hide(releases):
    folder, _ = releases
    told = {}
    for name in ("without", "with"):
        bundle = sl.Bundle.open(folder / name)
        parameters = {key: value for key, value in bundle.parameters.items() if key not in DRAWN}
        facts, claim = parameters["characteristics"], parameters["privacy"]
        assert facts["num_rows"] == facts["num_patients"] == claim["num_patients"]
        protocol = json.loads(bundle.file("protocol.json").read_bytes())
        assert "report.csv" not in bundle.files and "gate.json" not in bundle.files
        told[name] = {
            "names": sorted(parameters),
            "rest": {key: parameters[key] for key in ("model_type", "model", "seed", "num_rows", "versions")},
            "facts": {key: facts[key] for key in facts if key not in ("num_rows", "num_patients")},
            "claim": {key: claim[key] for key in ("covered", "not_covered", "taken_as_public", "delta")},
            "removed": bundle.file("deidentification.csv").read_bytes(),
            "protocol": {key: value for key, value in protocol.items() if key != "privacy"},
            "files": sorted(bundle.files),
        }
    assert told["without"] == told["with"]
    assert "the whole cohort" in " ".join(told["with"]["claim"]["covered"])
    assert "outside the epsilon" not in " ".join(told["with"]["claim"]["not_covered"])


def test_years_levels_and_holes_of_the_synthetic_rows_are_the_declared_ones(releases):
    folder, schemas = releases
    for name in ("without", "with"):
        public = sl.Schema.from_json((folder / name / "schema.json").read_bytes())
        assert public["admitted"].low >= 2010 and public["admitted"].high <= 2019
        assert [c.nullable for c in public] == [c.nullable for c in schemas[name]]
        for column in public:
            assert set(column.categories) <= set(schemas[name][column.name].categories)


def test_the_split_under_the_key_is_made_again(releases):
    folder, _ = releases
    dataset, schema = read_dataset(folder / "data_with" / "dataset.csv")
    found = verify(folder / "with", key=StewardKey.open(folder / "own.key"), dataset=dataset, schema=schema)
    told = {one.subject: one.verdict for one in found}
    assert told[DATASET] == told[SPLIT] == "matched" and "differs" not in told.values()
