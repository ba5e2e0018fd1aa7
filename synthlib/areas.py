"""What each metric is about: its area, the question it answers, and which way is better.

One table, `AREAS`, for the summary, the gate and the page. A new metric gets a row, or falls under a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

FIDELITY, USEFULNESS, LEAKAGE, FAIRNESS, VALIDITY = NAMES = (
    "fidelity",
    "usefulness",
    "leakage",
    "fairness",
    "validity",
)
QUESTIONS = {
    FIDELITY: "Do synthetic patients look like real ones?",
    USEFULNESS: "Does what is learnt from them hold for real patients?",
    LEAKAGE: "Do they give away who was in the training table, or what was true of them?",
    FAIRNESS: "Are some groups of patients served worse?",
    VALIDITY: "Can such patients exist?",
}


POPULATIONS = ("exposed", "sure")  # of patients, where a score is not of all
_CONTROL, _CONTROL_END = "control", "_control"
_OF_NOBODY = "linkability_risk"  # the attack that is about no column: brackets hold the population alone


class Name(NamedTuple):
    """A metric's name in parts.

    Attributes:
        stem: what is measured.
        about: the column, attack or group in brackets; empty for none.
        population: one of `POPULATIONS`; empty for all patients.
        is_control: whether it is a positive control.
    """

    stem: str
    about: str = ""
    population: str = ""
    is_control: bool = False

    def __str__(self) -> str:
        """As a report has it. A comma or backslash of `about` is escaped, so that it ends no part."""
        about = self.about.replace("\\", "\\\\").replace(",", "\\,")
        inner = ",".join(filter(None, (about, self.population)))
        return f"{self.stem}{_CONTROL_END if self.is_control else ''}" + (f"[{inner}]" if inner else "")


class Measure(NamedTuple):
    """What is known of the metrics that a pattern names.

    Attributes:
        pattern: a metric's name; `*` stands for any text.
        area: one of `NAMES`.
        label: a few words.
        question: that it answers, in plain words.
        better: `"higher"`, `"lower"` or `"closer"` (to the reference, from either side).
        scale: smallest and largest value, for an axis; None where there is none.
        is_headline: whether the summary has it. Headlines have no `*`.
        needs_control: whether its value says nothing without a positive control that is caught.
        is_published: whether a release tells it although its name has brackets: they name no column.
        ideal: what is best, where real patients may be far from it too; None: their score.
    """

    pattern: str
    area: str
    label: str
    question: str
    better: str
    scale: tuple[float, float] | None = (0.0, 1.0)
    is_headline: bool = False
    needs_control: bool = False
    is_published: bool = False
    ideal: float | None = None


def _head(pattern: str, area: str, label: str, question: str, better: str, **rest) -> Measure:
    return Measure(pattern, area, label, question, better, is_headline=True, **rest)


_LEARNS = "Does a model learnt from synthetic rows"
# The first row that fits counts: names before patterns.
AREAS: tuple[Measure, ...] = (
    _head("marginal_accuracy_1way", FIDELITY, "single columns, accuracy",
          "Are single columns distributed as in train?", "higher"),
    _head("marginal_accuracy_2way", FIDELITY, "pairs of columns, accuracy",
          "Are pairs of columns distributed as in train?", "higher"),
    _head("marginal_accuracy_3way", FIDELITY, "triples of columns, accuracy",
          "Are triples of columns distributed as in train?", "higher"),
    _head("association_distance", FIDELITY, "associations, distance",
          "How far are associations from those of train?", "lower", scale=None),
    _head("missing_rate_difference", FIDELITY, "missing rates, distance",
          "How far are missing rates from those of train?", "lower", scale=None),
    _head("c2st_boosting", FIDELITY, "told apart by boosted trees, AUROC",
          "Do boosted trees tell synthetic rows from real ones? (0.5: they cannot)", "closer"),
    _head("c2st_logistic", FIDELITY, "told apart by logistic regression, AUROC",
          "Does logistic regression tell them? (0.5: it cannot)", "closer"),
    _head("sdmetrics_quality", FIDELITY, "SDMetrics quality",
          "What does SDMetrics' quality score say?", "higher"),
    _head("invalid_share", VALIDITY, "impossible values, share",
          "What share of values cannot be?", "lower", scale=None),
    _head("tstr_auroc_boosting", USEFULNESS, "real outcomes predicted by boosted trees, AUROC",
          f"{_LEARNS} discriminate among real patients?", "higher"),
    _head("tstr_auroc_gap_boosting", USEFULNESS, "discrimination lost by boosted trees, AUROC difference",
          "How much discrimination is lost against learning from real rows?", "higher", scale=None),
    _head("tstr_brier_boosting", USEFULNESS, "squared error of boosted trees, Brier score",
          "How large is that model's squared error?", "lower", scale=None),
    _head("tstr_r2_boosting", USEFULNESS, "share explained by boosted trees, R²",
          "How much of a real patient's value does a model learnt from synthetic rows explain?", "higher",
          scale=None),
    _head("exact_copies", LEAKAGE, "copies of training rows, share",
          "What share of rows are copies of training rows?", "lower", scale=None),
    _head("dcr_share", LEAKAGE, "rows closer to train than to holdout, share",
          "Are rows closer to train than to holdout? (copying check, no evidence of privacy)", "closer"),
    _head("membership_auroc", LEAKAGE, "membership attack, AUROC",
          "Does one attack tell who was in train? (0.5: it cannot; no proof of privacy)", "lower",
          needs_control=True),
    _head("membership_auroc_control", LEAKAGE, "the same attack on copies, AUROC",
          "Would that attack have caught a generator that copies?", "higher"),
    # Patterns. Of leakage and fairness, names in brackets are attacks or groups.
    Measure("membership_auroc*", LEAKAGE, "membership attack, AUROC",
            "Does this attack tell who was in train? (0.5: it cannot)", "lower",
            needs_control=True, is_published=True),
    Measure("membership_tpr*", LEAKAGE, "members found at few false alarms, share",
            "What share of members does this attack find at a fixed, low rate of false alarms?", "lower",
            needs_control=True, is_published=True),
    Measure("membership_*", LEAKAGE, "membership attack",
            "Does this attack tell who was in train?", "lower", needs_control=True, is_published=True),
    Measure("singling_out_risk*", LEAKAGE, "singling out, risk",
            "Can one patient be picked out of the training table?", "lower",
            needs_control=True, is_published=True),
    Measure("linkability_risk*", LEAKAGE, "linkability, risk",
            "Can two parts of a patient's record be linked?", "lower", needs_control=True, is_published=True),
    Measure("inference_risk*", LEAKAGE, "inference from the nearest row, risk",
            "Can an unknown value be guessed better for patients in train than for others?", "lower",
            needs_control=True, is_published=True),
    Measure("attribute_risk*", LEAKAGE, "inference by a model, risk",
            "Can an unknown value be guessed better for patients in train than for others?", "lower",
            needs_control=True, is_published=True),
    Measure("inference_gain*", LEAKAGE, "inference from the nearest row, guesses gained",
            "How many more guesses are right of patients in train than of others?", "lower", scale=None,
            needs_control=True, is_published=True),
    Measure("attribute_gain*", LEAKAGE, "inference by a model, guesses gained",
            "How many more guesses are right of patients in train than of others?", "lower", scale=None,
            needs_control=True, is_published=True),
    Measure("epsilon_audit*", LEAKAGE, "audit of differential privacy, ε",
            "Does an audit contradict the claim to differential privacy?", "lower", scale=None),
    Measure("dcr_*", LEAKAGE, "distance to the closest record", "Are rows too close to train?", "closer"),
    Measure("tstr_auroc_gap_*", USEFULNESS, "discrimination lost, AUROC difference",
            "How much discrimination is lost against learning from real rows?", "higher", scale=None),
    Measure("tstr_auroc_*", USEFULNESS, "real outcomes predicted, AUROC",
            f"{_LEARNS} discriminate among real patients?", "higher"),
    Measure("tstr_auprc_*", USEFULNESS, "real outcomes found, average precision",
            f"{_LEARNS} find those who have the event?", "higher"),
    Measure("tstr_brier_*", USEFULNESS, "squared error, Brier score",
            "How large is the model's squared error?", "lower", scale=None),
    Measure("tstr_calibration_slope_*", USEFULNESS, "calibration of predicted risks, slope",
            "Are predicted risks right, neither too extreme nor too flat? (1: they are)", "closer",
            scale=None, ideal=1.0),
    Measure("tstr_calibration_intercept_*", USEFULNESS, "calibration of predicted risks, intercept",
            "Are predicted risks right on the whole? (0: they are)", "closer", scale=None, ideal=0.0),
    Measure("tstr_mae_*", USEFULNESS, "mean absolute error", "How far off are predictions?", "lower",
            scale=None),
    Measure("tstr_rmse_*", USEFULNESS, "root mean squared error", "How far off are predictions, above all "
            "where they are furthest?", "lower", scale=None),
    Measure("tstr_*", USEFULNESS, "learnt from synthetic, tried on real rows",
            f"{_LEARNS} predict real patients?", "higher", scale=None),
    Measure("trts_*", USEFULNESS, "learnt from real, tried on synthetic rows",
            "Does what holds for real patients hold for synthetic ones?", "closer", scale=None),
    Measure("importance_agreement_*", USEFULNESS, "agreement on what matters",
            "Do models rely on the same columns as models learnt from real rows?", "higher", scale=None),
    Measure("model_choice_regret", USEFULNESS, "loss by choosing a model on synthetic rows",
            "What is lost by choosing among models on synthetic rows alone?", "lower", scale=None),
    Measure("model_ranking_*", USEFULNESS, "ranking of models",
            "Would the same models be found best?", "higher", scale=None),
    Measure("augmentation_gain_*", USEFULNESS, "gain by adding synthetic rows",
            "Do synthetic rows beside real ones improve a model?", "higher", scale=None),
    Measure("inference_bias*", USEFULNESS, "bias of regression coefficients",
            "How far off are effects that a regression finds?", "lower", scale=None),
    Measure("inference_width*", USEFULNESS, "width of confidence intervals, ratio",
            "Are confidence intervals as wide as they should be?", "closer", scale=None),
    Measure("inference_*", USEFULNESS, "agreement of regressions",
            "Would a regression lead to the same conclusions?", "higher"),
    *(Measure(pattern, USEFULNESS, "survival curves, distance",
              "How far are survival curves from those of real patients?", "lower")
      for pattern in ("km_max_distance", "km_mean_distance")),
    Measure("km_*", USEFULNESS, "survival curves, difference",
            "Do synthetic patients live longer, or less long, than real ones?", "closer", scale=None),
    Measure("survival_*", USEFULNESS, "survival", "Does survival follow the same laws?", "closer",
            scale=None),
    Measure("fairness_*_amplification*", FAIRNESS, "differences between groups, amplified by",
            "Does a model learnt from synthetic rows treat groups less alike than one learnt from real rows?",
            "lower", scale=None),
    Measure("fairness_*_gap*", FAIRNESS, "difference between groups", "How differently are groups served?",
            "lower", scale=None),
    Measure("fairness_auroc*", FAIRNESS, "discrimination within a group, AUROC",
            "Does the model discriminate in each group?", "higher"),
    Measure("fairness_calibration*", FAIRNESS, "calibration within a group",
            "Are predicted risks right in each group?", "closer", scale=None),
    Measure("fairness_*", FAIRNESS, "error within a group", "How large is the error in each group?", "lower",
            scale=None),
    Measure("worst_group_*", FAIRNESS, "the group served worst",
            "How well is the group served that is served worst?", "higher", scale=None),
    Measure("representation_smallest_ratio", FAIRNESS, "the group that shrank most, ratio",
            "Is any group of patients going missing?", "higher", scale=None),
    Measure("representation_distance", FAIRNESS, "shares of groups, distance",
            "Are groups as large as among real patients?", "lower", scale=None),
    Measure("representation*", FAIRNESS, "share of a group, difference",
            "Is the group as large as among real patients?", "closer", scale=None),
    Measure("group_fidelity_loss", FAIRNESS, "fidelity lost by the worst group",
            "Is any group drawn less faithfully?", "lower", scale=None),
    Measure("group_fidelity*", FAIRNESS, "fidelity within a group, accuracy",
            "Is the group drawn faithfully?", "higher"),
    Measure("invalid_*", VALIDITY, "impossible values, share", "What cannot be?", "lower", scale=None),
    Measure("rule_*", VALIDITY, "broken rules, share", "Are clinical rules broken?", "lower", scale=None),
    Measure("marginal_accuracy_*", FIDELITY, "groups of columns, accuracy",
            "Are groups of columns distributed as in train?", "higher"),
    Measure("association_*", FIDELITY, "associations by Pearson's correlation, distance",
            "How far are associations from those of train, by values and not by ranks?", "lower", scale=None),
    Measure("c2st_*", FIDELITY, "told apart, AUROC", "Does a classifier tell synthetic rows from real ones?",
            "closer"),
    Measure("missing_rate_difference*", FIDELITY, "missing rate, difference",
            "How far is this missing rate from train's?", "closer", scale=None),
    Measure("ks[*", FIDELITY, "distribution of a number, distance", "How far is this column from train's?",
            "lower"),
    Measure("tv[*", FIDELITY, "distribution of levels, distance", "How far is this column from train's?",
            "lower"),
    Measure("variance_ratio*", FIDELITY, "variance, ratio", "Does it vary as much as in train?", "closer",
            scale=None),
    *(Measure(pattern, FIDELITY, "clinical relations", "Are clinical relations those of train?", "higher",
              scale=None) for pattern in ("relation_coverage", "relation_correlation")),
    Measure("relation_*", FIDELITY, "clinical relations", "Are clinical relations as strong as in train?",
            "closer", scale=None),
    Measure("conditional_*", FIDELITY, "conditional chances",
            "Do chances follow a patient's profile as they should?", "closer", scale=None),
    Measure("sdmetrics_*", FIDELITY, "SDMetrics", "What does SDMetrics say?", "higher"),
    Measure("smd*", FIDELITY, "standardised mean difference", "How far is this mean from train's?", "closer",
            scale=None),
    Measure("quantile_difference*", FIDELITY, "quantiles, difference", "How far are quantiles from train's?",
            "closer", scale=None),
    Measure("wasserstein*", FIDELITY, "distribution, distance", "How far is this column from train's?",
            "lower", scale=None),
)  # fmt: skip
HEADLINES = {measure.pattern: measure.question for measure in AREAS if measure.is_headline}


def find_measure(metric: str) -> Measure | None:
    """The first row of `AREAS` whose pattern a metric's name fits; None if none does."""
    bare = outline(metric)
    return next((measure for measure in AREAS if fits(bare, measure.pattern)), None)


def outline(metric: str) -> str:
    """A metric's name without what it is about, which is anybody's text: `"ks[]"`, `"membership_tpr1[]"`."""
    if "[" not in metric:
        return metric
    name = read_name(metric)
    inner = ",".join(filter(None, (name.population, _CONTROL if name.is_control else "")))
    return f"{split_name(metric)[0]}[{inner}]"


def fits(metric: str, pattern: str) -> bool:
    """Whether a metric's name is of a pattern, in which `*` alone is special."""
    return _compile(pattern).fullmatch(metric) is not None


def may_fit(pattern: str) -> bool:
    """Whether some name could fit both this pattern and a row of `AREAS`."""
    return bool(find_area(pattern))


def may_need_control(pattern: str) -> bool:
    """Whether some name of a pattern could be that of an attack, which needs a positive control."""
    return any(measure.needs_control and _overlap(pattern, measure.pattern) for measure in AREAS)


def find_area(pattern: str) -> str:
    """The area of the first row that some name of a pattern could fall under; empty if there is none."""
    return next((measure.area for measure in AREAS if _overlap(pattern, measure.pattern)), "")


def is_control(metric: str) -> bool:
    """Whether a score is a positive control: what an attack finds where there is something to be found."""
    return read_name(metric).is_control


def find_control(metric: str, names: Collection[str]) -> str | None:
    """The name of a metric's positive control among those of a report, None if it has none."""
    name, (stem, inner) = read_name(metric), split_name(metric)
    if name.is_control:
        return None
    suffix = f"[{inner}]" if inner else ""
    wanted = [f"{stem}{_CONTROL_END}{suffix}", f"{stem}[{inner},{_CONTROL}]"]
    if name.about:  # what finds copies of everybody sees, where nobody asked about these few
        first = str(name._replace(population=""))
        wanted += [str(name._replace(population="", is_control=True)), f"{first[:-1]},{_CONTROL}]"]
    return next((each for each in wanted if each in names), None)


def is_published(metric: str) -> bool:
    """Whether a release tells a score: an overall one does, one of a single column does not."""
    if "[" not in metric:
        return True
    measure = find_measure(metric)
    return measure is not None and measure.is_published


def split_name(metric: str) -> tuple[str, str]:
    """`"ks[age]"` as `("ks", "age")`; the second is empty without brackets."""
    stem, _, inner = metric.partition("[")
    return stem, inner.removesuffix("]")


@lru_cache(maxsize=1024)
def read_name(metric: str) -> Name:
    """The parts of a metric's name. Population and role stand last, exact; what is before is never searched.

    A column `exposed` is no population, nor is a column `a,exposed`, whose comma is escaped.
    """
    stem, inner = split_name(metric)
    is_control = stem.endswith(_CONTROL_END)
    stem = stem.removesuffix(_CONTROL_END)
    fields = _split_fields(inner)
    least = 0 if stem == _OF_NOBODY else 1
    if len(fields) > least and fields[-1] == _CONTROL:
        is_control = bool(fields.pop())
    population = fields.pop() if len(fields) > least and fields[-1] in POPULATIONS else ""
    about = re.sub(r"\\(.)", r"\1", ",".join(fields), flags=re.DOTALL)
    return Name(stem, about, population, is_control)


def _split_fields(inner: str) -> list[str]:
    """What stands between commas that no backslash escapes, still escaped; none of an empty text."""
    fields = [""] if inner else []
    for sign in re.findall(r"\\?.", inner, flags=re.DOTALL):
        if sign == ",":
            fields.append("")
        else:
            fields[-1] += sign
    return fields


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def _overlap(one: str, other: str) -> bool:
    """Whether some text fits both patterns: at each star, either it ends or it takes a sign of the other."""
    reached = {(0, 0)}
    seen: set[tuple[int, int]] = set()
    while reached:
        at = reached.pop()
        seen.add(at)
        left, right = one[at[0] :], other[at[1] :]
        if not left and not right:
            return True
        following = []
        if left[:1] == "*":
            following += [(at[0] + 1, at[1]), (at[0], at[1] + 1)] if right else [(at[0] + 1, at[1])]
        if right[:1] == "*":
            following += [(at[0], at[1] + 1), (at[0] + 1, at[1])] if left else [(at[0], at[1] + 1)]
        if left[:1] == right[:1] and left[:1] not in ("", "*"):
            following.append((at[0] + 1, at[1] + 1))
        reached |= set(following) - seen
    return False
