"""What is not in a release: a patient, a row, an unkeyed hash, a key, or a value that was not drawn."""

import hashlib
import hmac
import json
import re

import pandas as pd
import pytest
from release_helpers import EXTREME, RARE, SECRET, texts, write

import synthlib as sl
from synthlib.chain.table_bytes import canonical_bytes
from synthlib.release import public_schema, write_release
from synthlib.scores import DECIMALS

pytest_plugins = ["release_fixtures"]


@pytest.fixture(scope="module")
def release(made, tmp_path_factory):
    return write(tmp_path_factory.mktemp("releases") / "one", made)


def test_no_cell_that_few_patients_have_is_in_it(release):
    for name, text in texts(release).items():
        assert RARE not in text, name
        assert str(EXTREME) not in text, name
        assert not re.search(r"Person\d", text), name


def test_no_row_of_the_training_table_is_in_a_report_or_manifest(release, made):
    _, train, *_ = made
    rows = {",".join(map(str, row[1:])) for row in train.itertuples(index=False)}
    for name, text in texts(release).items():
        if name != "synthetic.csv":  # whose rows may be like a patient's by chance
            assert not [row for row in rows if row in text], name


def test_no_unkeyed_hash_of_the_training_table_is_in_it(release, made, tmp_path):
    table, train, holdout, *_ = made
    hashed = set()
    for part in (table, train, holdout, train.drop(columns="patient")):
        sl.write_table(part, tmp_path / "part.csv")
        rows = [canonical_bytes(part.iloc[[row]]) for row in range(5)]
        rows += [",".join(map(str, part.iloc[row])).encode() for row in range(5)]
        for data in [canonical_bytes(part), (tmp_path / "part.csv").read_bytes(), *rows]:
            hashed |= {hashlib.new(name, data).hexdigest() for name in ("sha256", "sha1", "md5", "sha3_256")}
            hashed |= {hmac.new(b"", data, "sha256").hexdigest(), hashlib.sha256(data).hexdigest()[:32]}
    assert len(hashed) > 200
    for name, text in texts(release).items():
        assert not [one for one in hashed if one in text], name


def test_the_key_is_not_in_it(release):
    for text in texts(release).values():
        assert SECRET.hex() not in text


def test_another_key_changes_the_commitment_and_the_rows_salts_alone(release, made, tmp_path):
    other = write(tmp_path / "two", made, key=sl.StewardKey(bytes(32)))
    changed = {name for name, value in other.parameters.items() if release.parameters[name] != value}
    assert changed == {"training_commitment", "rows_root"}
    differing = {name for name, text in texts(other).items() if text != texts(release)[name]}
    assert differing == {"manifest.json", "rows.json"}


def test_the_published_schema_is_that_of_the_synthetic_table(release, made):
    _, _, _, schema, _, synthetic, _, _ = made
    public = sl.Schema.from_json(release.file("schema.json").read_text())
    assert schema.patient_id == "patient" and public.patient_id is None
    assert (public.names, public.target, public.leaks) == (schema.names, schema.target, schema.leaks)
    assert public.quasi_identifiers == schema.quasi_identifiers
    assert RARE in schema["disease"].categories
    for column in schema:
        found, drawn = public[column.name], synthetic[column.name].dropna()
        kept = ("kind", "dtype", "decimals", "nullable", "unit", "description", "format")
        assert all(getattr(found, name) == getattr(column, name) for name in kept)
        if column.is_discrete:
            assert found.categories == tuple(level for level in column.categories if level in set(drawn))
        if column.is_numeric:
            assert (found.low, found.high) == (drawn.min(), drawn.max())


def test_the_published_schema_does_not_depend_on_who_was_learnt_from(made, tmp_path):
    """Another cohort with other extremes and levels, the same synthetic table: the same schema."""
    _, train, _, schema, _, synthetic, report, deidentification = made
    wider = schema.replace("lab", low=-1e6, high=1e6).replace("age", low=0, high=90, missing_codes=(-1,))
    wider = wider.replace("disease", categories=("smallpox", *schema["disease"].categories, "plague"))
    assert public_schema(wider, synthetic).to_json() == public_schema(schema, synthetic).to_json()
    other = sl.IndependentMarginals(wider).fit(train)
    key = sl.StewardKey(SECRET)
    bundle = write_release(tmp_path / "one", other, synthetic, train, report, deidentification, key, 5)
    assert bundle.file("schema.json").read_text() == public_schema(schema, synthetic).to_json()


def test_a_level_that_was_drawn_stays(made):
    _, _, _, schema, _, synthetic, _, _ = made
    drawn = synthetic.copy()
    drawn.loc[0, "disease"] = RARE
    assert RARE in public_schema(schema, drawn)["disease"].categories
    public_schema(schema, drawn).check(drawn)


def test_the_published_report_has_overall_scores_alone(release, made):
    *_, report, _ = made
    found = sl.read_table(release.file("report.csv")).set_index("metric")
    whole = report.set_index("metric")
    assert set(found.index) == {name for name in whole.index if "[" not in name}
    assert {"c2st_boosting", "c2st_logistic", "tstr_auroc_boosting", "missing_rate_difference"} <= set(
        found.index
    )
    assert len(found) < len(whole)
    digits = found.stack().map(lambda value: len(str(value).partition(".")[2]))
    assert 2 < digits.max() <= DECIMALS
    pd.testing.assert_frame_equal(
        found, whole.loc[found.index], check_exact=False, rtol=0, atol=0.0005 + 1e-12
    )


def test_a_rare_level_of_the_target_is_named_nowhere(made, tmp_path):
    _, train, _, schema, _, _, report, deidentification = made
    roles = sl.Schema(schema.columns, "disease", "patient")
    model = sl.IndependentMarginals(roles).fit(train)
    synthetic = model.sample(200, seed=5)
    key = sl.StewardKey(SECRET)
    bundle = write_release(tmp_path / "one", model, synthetic, train, report, deidentification, key, 5)
    assert RARE not in "".join(texts(bundle).values())
    assert "sepsis" in bundle.parameters["characteristics"]["target_rates"]


def test_manifests_hold_no_clock_and_no_path(release, tmp_path):
    text = json.dumps(release.manifest)
    assert str(release.path) not in text
    assert not re.search(r"20\d\d-\d\d-\d\d", text)
