"""No table stops a metric of usefulness, inference or fairness, and no value lies outside its interval."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort

from synthlib.evaluation.fairness import gaps as fairness
from synthlib.evaluation.fairness import representation
from synthlib.evaluation.learners import one_thread
from synthlib.evaluation.usefulness import augmentation, importance, inference_agreement, ranking, utility

METRICS = (
    utility.train_on_synthetic,
    ranking.model_ranking,
    importance.importance_agreement,
    augmentation.augmentation_gain,
    inference_agreement.inference_scores,
    representation.representation,
    representation.group_fidelity,
    fairness.fairness,
)
BROKEN = {
    "one row": lambda table: table[:1],
    "a constant column": lambda table: table.assign(age=50),
    "an empty outcome": lambda table: table.assign(died=np.nan),
    "unknown levels": lambda table: table.assign(disease="measles", died=7),
    "infinite numbers": lambda table: table.assign(lab=np.inf),
    "everything missing": lambda table: table.assign(**dict.fromkeys(table, None)),
    "one group": lambda table: table.assign(group="acute"),
}


@pytest.fixture(scope="module")
def protected(cohort_schema):
    return dataclasses.replace(cohort_schema, protected=("group", "age"))


@pytest.mark.parametrize("break_it", BROKEN.values(), ids=BROKEN)
@pytest.mark.filterwarnings("error")
def test_no_synthetic_table_stops_a_metric(break_it, cohort, protected):
    tables = cohort[:60], cohort[60:110], break_it(make_cohort(40, seed=1))
    with one_thread():
        for metric in METRICS:
            for one in metric(*tables, protected, np.random.default_rng(0)):
                assert not one.low > one.value + 1e-9, one
                assert not one.high < one.value - 1e-9, one


@pytest.mark.filterwarnings("error")
def test_levels_alone_and_names_stay_apart(cohort, protected):
    schema = protected.drop(["age", "lab"])
    tables = [table[schema.names] for table in (cohort[:60], cohort[60:110], make_cohort(60, seed=1))]
    with one_thread():
        scores = [one for metric in METRICS for one in metric(*tables, schema, np.random.default_rng(0))]
    names = pd.Series([one.metric for one in scores])
    assert names.is_unique and len(names) > 40
    # the scores of groups and columns carry brackets: what a release publishes has none
    assert not names[names.str.contains("=", regex=False)].str.endswith("]").eq(False).any()
