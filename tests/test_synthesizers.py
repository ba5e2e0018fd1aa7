"""What every Synthesizer owes: the same questions to all of them."""

import hashlib
import inspect
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl

SMALL_PRIVATE = {"epsilon": 20.0, "public_schema": True, "tree_rows": 2000}
MAKERS = {
    "IndependentMarginals": lambda schema, **options: sl.IndependentMarginals(schema),
    "TabularGAN": lambda schema, **options: sl.TabularGAN(
        schema, **{"num_steps": 30, "batch_size": 64} | options
    ),
    "TabularGPT": lambda schema, **options: sl.TabularGPT(
        schema, **{"num_epochs": 3, "hidden_dim": 16, "batch_size": 64} | options
    ),
    "PrivateMarginals": lambda schema, **options: sl.PrivateMarginals(
        schema, **{"epsilon": 20.0, "public_schema": True, "solver": "tree"} | options
    ),
    "PrivateTabularGAN": lambda schema, **options: sl.PrivateTabularGAN(
        schema, **SMALL_PRIVATE | {"num_steps": 60, "batch_size": 64, "private_steps": 2} | options
    ),
}
WITHOUT_SEED = {
    "PrivateMarginals",
    "PrivateTabularGAN",
}  # their noise comes from the operating system, and is not kept


def fit(make, schema, train):
    model = make(schema)
    options = {"progress": False} if "progress" in inspect.signature(model.fit).parameters else {}
    return model.fit(train, **options)


def to_bytes(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False).encode()


@pytest.fixture(scope="module", params=MAKERS)
def make(request):
    return MAKERS[request.param]


@pytest.fixture(scope="module")
def fitted(make, cohort, cohort_schema):
    return fit(make, cohort_schema, cohort)


def test_samples_are_tables_of_the_schema(fitted, cohort, cohort_schema):
    synthetic = fitted.sample(250, seed=1)
    assert len(synthetic) == 250
    assert list(synthetic.columns) == list(cohort.columns)
    assert (synthetic.dtypes == cohort.dtypes).all()
    cohort_schema.check(synthetic)


def test_missingness_and_frequencies_are_learnt(fitted, cohort):
    synthetic = fitted.sample(4000, seed=2)
    assert abs(synthetic["lab"].isna().mean() - cohort["lab"].isna().mean()) < 0.05
    assert abs((synthetic["disease"] == "sepsis").mean() - (cohort["disease"] == "sepsis").mean()) < 0.08
    assert abs(synthetic["age"].mean() - cohort["age"].mean()) < 2


def test_same_seed_same_bytes_other_seed_others(fitted):
    assert to_bytes(fitted.sample(50, seed=3)) == to_bytes(fitted.sample(50, seed=3))
    assert to_bytes(fitted.sample(50, seed=3)) != to_bytes(fitted.sample(50, seed=4))


def test_fit_is_reproducible_and_forgets_the_first(make, fitted, cohort, cohort_schema):
    other = fit(make, cohort_schema, make_cohort(300, seed=9))
    again = other.fit(cohort)
    if type(other).__name__ in WITHOUT_SEED:
        assert again.sample(2000, seed=3)["age"].mean() == pytest.approx(cohort["age"].mean(), abs=2)
        return
    assert to_bytes(again.sample(50, seed=3)) == to_bytes(fitted.sample(50, seed=3))


def test_samples_are_equal_to_the_byte_after_loading(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = sl.load_synthesizer(tmp_path / "model")
    assert loaded.parameters == fitted.parameters
    assert to_bytes(loaded.sample(50, seed=5)) == to_bytes(fitted.sample(50, seed=5))


def test_another_process_loads_and_draws_the_same_bytes(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    script = (
        "import sys, hashlib, synthlib as sl; "
        "table = sl.load_synthesizer(sys.argv[1]).sample(40, seed=6); "
        "print(hashlib.sha256(table.to_csv(index=False).encode()).hexdigest())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "model")], capture_output=True, text=True, check=True
    )
    assert printed.stdout.strip() == hashlib.sha256(to_bytes(fitted.sample(40, seed=6))).hexdigest()


def test_saved_files_are_equal_to_the_byte(fitted, tmp_path):
    for name in ("one", "two"):
        fitted.save(tmp_path / name)
    for file in sorted((tmp_path / "one").iterdir()):
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes(), file.name


def test_conditions_are_exact(fitted):
    synthetic = fitted.sample(80, given={"disease": "rare", "age": 77}, seed=7)
    assert (synthetic["disease"] == "rare").all()
    assert (synthetic["age"] == 77).all()
    assert synthetic["age"].dtype == "int64"


def test_missing_can_be_asked_for(fitted):
    assert fitted.sample(20, given={"lab": None})["lab"].isna().all()


@pytest.mark.parametrize(
    "given", [{"diseases": "sepsis"}, {"disease": "unheard of"}, {"age": 4000}, {"age": "old"}]
)
def test_impossible_conditions_are_refused_by_name(fitted, given):
    with pytest.raises(ValueError, match=next(iter(given))):
        fitted.sample(5, given=given)


@pytest.mark.parametrize("num_rows", [0, -3, 2.5])
def test_a_number_of_rows_that_is_none_is_refused(fitted, num_rows):
    with pytest.raises(ValueError, match="num_rows"):
        fitted.sample(num_rows)


def test_sampling_before_fit_is_refused(make, cohort_schema):
    with pytest.raises(RuntimeError, match="fit"):
        make(cohort_schema).sample(5)


def test_saving_before_fit_is_refused(make, cohort_schema, tmp_path):
    with pytest.raises(RuntimeError, match="fit"):
        make(cohort_schema).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_saving_over_other_files_is_refused(fitted, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError):
        fitted.save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_table_of_another_schema_is_refused(make, cohort, cohort_schema):
    with pytest.raises(sl.SchemaError, match="lab"):
        make(cohort_schema).fit(cohort.drop(columns="lab"))


def test_ten_rows_of_every_kind_are_enough(make, tiny, tiny_schema):
    synthetic = fit(make, tiny_schema, tiny).sample(12)
    tiny_schema.check(synthetic)


def test_loading_from_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="found no"):
        sl.load_synthesizer(tmp_path)


def test_an_unfitted_copy_has_the_parameters_only(cohort_schema):
    model = sl.TabularGAN(cohort_schema, hidden_dim=32)
    assert model.parameters["hidden_dim"] == 32
    assert "schema" not in model.parameters
    assert all(not name.endswith("_") for name in model.parameters)
    assert np.isscalar(model.parameters["seed"])


def test_repair_does_not_bring_rare_levels_back():
    a = ["a1"] * 300 + ["a2"] * 200 + ["a3"] * 98 + ["rare"] * 2
    table = pd.DataFrame({"a": a, "b": ["b1"] * 300 + ["b2"] * 200 + ["b3"] * 100, "died": [0, 1] * 300})
    rule = sl.Combinations(("a", "b"), tuple(table[["a", "b"]].value_counts().index))
    model = sl.IndependentMarginals(sl.Schema.infer(table).with_rules(rule)).fit(table)
    drawn = pd.concat([model.sample(2, seed=seed) for seed in range(200)] + [model.sample(5000)])
    assert not (drawn["a"] == "rare").any()
    with pytest.warns(UserWarning, match="'a' gets a level that fewer than 5"):
        assert (model.sample(10, given={"a": "rare"})["b"] == "b3").all()


def test_a_missing_value_that_training_never_had_is_given_with_a_warning(cohort, cohort_schema):
    present = cohort.dropna()
    model = sl.IndependentMarginals(cohort_schema).fit(present)
    with pytest.warns(UserWarning, match="'lab' gets a missing value"):
        assert model.sample(5, given={"lab": None})["lab"].isna().all()


def test_given_values_have_the_precision_of_their_column(cohort, cohort_schema):
    model = sl.IndependentMarginals(cohort_schema).fit(cohort)
    with pytest.raises(ValueError, match="of 2 decimals or None for 'lab'"):
        model.sample(5, given={"lab": 2.123456})
    assert (model.sample(5, given={"lab": 2.12})["lab"] == 2.12).all()
