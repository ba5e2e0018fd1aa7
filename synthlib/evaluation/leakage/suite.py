"""One call that attacks a synthetic table in many ways, beside tables of which it is known what they leak."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from synthlib.areas import Name
from synthlib.evaluation.features import patients_of, pick_a_row_each, sample_rows
from synthlib.evaluation.leakage.attacks import ATTACKS, Attack
from synthlib.evaluation.leakage.attributes import attribute_inference, choose_secrets, guess_trials
from synthlib.evaluation.leakage.controls import CONTROLS, make_controls
from synthlib.evaluation.leakage.exposure import most_exposed
from synthlib.evaluation.leakage.linkage import linkability, nearest_inference
from synthlib.evaluation.leakage.membership import (
    RATES,
    Scored,
    Turn,
    enough_others,
    membership_p_value,
    membership_scores,
    split_turns,
)
from synthlib.evaluation.leakage.results import add_leakage as add_leakage
from synthlib.evaluation.leakage.results import summarise_leakage as summarise_leakage
from synthlib.evaluation.leakage.results import tell_settings
from synthlib.evaluation.leakage.risks import Trials, gain_score, risk_p_value, risk_score
from synthlib.evaluation.leakage.singling import singling_out
from synthlib.evaluation.learners import one_thread
from synthlib.schema import Schema
from synthlib.scores import Score

MAX_ROWS = 20_000
MAX_TARGETS = 2_000
ALPHA = 0.05
NUM_COLUMNS = 4
SURE_SHARE = 0.1
COLUMNS = ("attack", "population", "table", *Score._fields, "p_value", "conclusion", "blind_to", "note")
GUESSING = ("inference", "attribute")  # attacks whose gain is told beside their risk
ORDER = ("caught", "inconclusive", "not caught")


class World(NamedTuple):
    """Who is asked about, what the attacker holds, and who of them is exposed.

    Attributes:
        turns: the two halves of every membership attack.
        exposed: of each turn, bool arrays over its members and over its others.
        members, others: everybody asked about, in the order of the turns.
        rest: rows of train, of patients whom nobody asks about.
        secrets: names of the columns to infer.
    """

    turns: list[Turn]
    exposed: list[Scored]
    members: pd.DataFrame
    others: pd.DataFrame
    rest: pd.DataFrame
    secrets: list[str]


def leakage_report(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    synthetic: pd.DataFrame,
    schema: Schema,
    seed: int = 0,
    progress: bool | None = None,
    attacks: Mapping[str, Attack] | None = None,
    secrets: Sequence[str] | None = None,
    max_targets: int = MAX_TARGETS,
) -> pd.DataFrame:
    """Attack a synthetic table, and four tables of which it is known what they leak.

    Membership, singling out, linkability, and two kinds of inference; everybody, the most exposed tenth, and
    of learnt guesses the surest tenth. An attack's conclusion is

    - `caught` where the synthetic table is told from one that leaks nothing, at 5% over all attacks on it;
    - `not caught` where it is not, and the attack did catch a copy of train. `blind_to` names the controls
      that it missed: "not caught" says nothing of leaks as small as those;
    - `inconclusive` where a copy was not caught either, or where rows that leak nothing were (unless the
      table's interval lies above theirs: then it is caught all the same).

    Where patients have several rows, each who is asked about or in the reference is there with one: a
    person's other rows would tell who is in neither.

    No conclusion says that a table is safe: these are the attacks that were made, not those that there are.

    Args:
        train: rows the generator learnt from, shape (num_train, num_columns), of at least four patients. At
            most half of these are asked about.
        holdout: rows it never saw, drawn like train, of at least four patients; each half is the attacker's
            reference once.
        synthetic: rows to judge, shape (num_synthetic, num_columns); 20,000 at most are attacked, and as many
            of a control. They may break the Schema.
        schema: that of train and holdout.
        seed: of every random choice; each attack has a stream of its own, the same on every table.
        progress: show a bar; None shows it on a terminal only.
        attacks: name → membership attack; by default `attacks.ATTACKS`. `shadow_attack(...)` can join them.
        secrets: names of the columns to infer; by default the target and two more.
        max_targets: most members, and most others, to ask about.

    Returns:
        DataFrame with a row per attack, population (`all`, `exposed`, `sure`), table (`synthetic`, `copy`,
        `leak`, `perturbed`, `fresh`) and metric: `attack, population, table, metric, value, low, high,
        reference, p_value, conclusion, blind_to, note`. The p value and what follows from it are those of the
        attack, not of the metric. `attrs["notes"]` says what was sampled. As confidential as train.

    Raises:
        ValueError: if train or holdout has fewer than four patients, synthetic no rows, or a column is
            absent; if `secrets` names no modelled column, or `max_targets` is below 2.

    Reference: Giomi et al. 2023; Carlini et al. 2022; Stadler, Oprisanu and Troncoso 2022.
    """
    named = {"synthetic": synthetic}
    options = (seed, progress, attacks, secrets, max_targets)
    return leakage_reports(train, holdout, named, schema, *options)["synthetic"]


def leakage_reports(
    train: pd.DataFrame,
    holdout: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    schema: Schema,
    seed: int = 0,
    progress: bool | None = None,
    attacks: Mapping[str, Attack] | None = None,
    secrets: Sequence[str] | None = None,
    max_targets: int = MAX_TARGETS,
) -> dict[str, pd.DataFrame]:
    """`leakage_report` of several synthetic tables, which share the four controls: each is attacked once.

    Args:
        tables: name → synthetic table; the others as `leakage_report`.

    Returns:
        Name → report, what `leakage_report` gives of that table.

    Raises:
        ValueError: as `leakage_report`, or if there are no tables.
    """
    from tqdm import tqdm

    if not tables:
        raise ValueError("expected at least one synthetic table, got none")
    for synthetic in tables.values():
        absent = [column.name for column in schema.modelled if column.name not in synthetic]
        if absent or not len(synthetic):
            lacking = f"it lacks {', '.join(absent)}" if absent else "it has no rows"
            raise ValueError(f"expected a synthetic table with the schema's columns; {lacking}")
    rng = np.random.default_rng([seed, 1])
    world = make_world(train, holdout, schema, rng, secrets, max_targets)
    made = {
        name: sample_rows(one, MAX_ROWS, np.random.default_rng([seed, 2])).reset_index(drop=True)
        for name, one in tables.items()
    }
    controls = make_controls(world.members, world.rest, schema, rng, MAX_ROWS)
    runs = list_attacks(world, schema, ATTACKS if attacks is None else attacks)
    bar = tqdm(total=(len(made) + len(controls)) * len(runs), desc="attack",
               disable=None if progress is None else not progress)  # fmt: skip

    def attack(table: pd.DataFrame, label: str) -> list[dict]:
        rows = []
        for name, run in runs.items():
            rows += run(table, np.random.default_rng([seed, zlib.crc32(name.encode())]))
            bar.update()
        return [{"table": label} | row for row in rows]

    found = {}
    with one_thread(), bar:
        first = {name: attack(table, "synthetic") for name, table in made.items()}
        beside = [row for name, table in controls.items() for row in attack(table, name)]
    for name, rows in first.items():
        found[name] = conclude(pd.DataFrame(rows + beside).reindex(columns=list(COLUMNS)))
        found[name].attrs["notes"] = [
            f"asked about {len(world.members):,} of {len(train):,} training rows and {len(world.others):,} "
            f"of {len(holdout):,} holdout rows",
            f"attacked {len(made[name]):,} of {len(tables[name]):,} synthetic rows",
            f"secrets: {', '.join(world.secrets) or 'none'}",
        ]
        if schema.patient_id is not None:
            found[name].attrs["notes"].append("attacks ask about one row of each patient")
        found[name].attrs["evaluation"] = tell_settings(seed, max_targets, (attacks, secrets))
    return found


def check_numbers(
    train: pd.DataFrame, holdout: pd.DataFrame, schema: Schema, max_targets: int = MAX_TARGETS
) -> None:
    """That there are people enough to attack.

    Raises:
        ValueError: if train or holdout has fewer than four patients, or fewer than two may be asked about.
    """
    found = [len(np.unique(patients_of(table, schema))) for table in (train, holdout)]
    if min(found) < 4:
        raise ValueError(
            f"expected at least four rows of different patients in train and holdout, got {found[0]} and "
            f"{found[1]}: too few to attack; take larger tables, or evaluate without attacks"
        )
    if max_targets < 2:
        raise ValueError(f"expected max_targets of at least 2, for attacks, got {max_targets}")


def make_world(train, holdout, schema, rng, secrets=None, max_targets=MAX_TARGETS) -> World:
    """Draw who is asked about and mark the exposed; see `World` and `leakage_report`."""
    modelled = [column.name for column in schema.modelled]
    unknown = sorted(set(secrets or ()) - set(modelled))
    if unknown:
        raise ValueError(f"expected secrets of the columns {', '.join(modelled)}; got {', '.join(unknown)}")
    check_numbers(train, holdout, schema, max_targets)
    first, kept = (pick_a_row_each(table, schema, rng) for table in (train, holdout))
    order, num = rng.permutation(len(first)), max(2, min(max_targets, len(first) // 2))
    asked, patients = first[order[:num]], patients_of(train, schema)
    unasked = np.append(first[order[num:]], np.setdiff1d(np.arange(len(train)), first))
    unasked = unasked[~np.isin(patients[unasked], patients[asked])]
    turns = split_turns(train.iloc[asked], sample_rows(holdout.iloc[kept], max_targets, rng), rng)
    return World(
        turns,
        [tuple(np.split(most_exposed(t.reference, t.targets, schema), [len(t.members)])) for t in turns],
        pd.concat([turn.members for turn in turns], ignore_index=True),
        pd.concat([turn.others for turn in turns], ignore_index=True),
        train.iloc[unasked].reset_index(drop=True),
        choose_secrets(schema) if secrets is None else list(secrets),
    )


def list_attacks(
    world: World, schema: Schema, attacks: Mapping[str, Attack]
) -> dict[str, Callable[[pd.DataFrame, np.random.Generator], list[dict]]]:
    """Name → function of a table and a random generator to rows of the report."""
    runs = {}
    for name, attack in attacks.items():
        runs[name] = lambda made, rng, n=name, a=attack: _membership_rows(n, a, made, world, schema, rng)
    people = (world.members, world.others, schema)
    for name, width in (("univariate", 1), ("multivariate", NUM_COLUMNS)):
        runs[f"singling_out[{name}]"] = lambda made, rng, n=f"singling_out[{name}]", w=width: _risk_rows(
            n, {"all": singling_out(made, *people, rng, w)}
        )
    runs["linkability"] = lambda made, rng: _risk_rows(
        "linkability", _by_person(linkability(made, *people, rng), world)
    )
    for secret in world.secrets:
        runs[f"inference[{secret}]"] = lambda made, rng, s=secret: _risk_rows(
            f"inference[{s}]", _by_person(nearest_inference(made, *people, rng, s), world)
        )
        runs[f"attribute[{secret}]"] = lambda made, rng, s=secret: _attribute_rows(
            s, made, world, schema, rng
        )
    return runs


def conclude(report: pd.DataFrame) -> pd.DataFrame:
    """Fill in `conclusion` and `blind_to` from the p values, and sort the worst first.

    A table is caught at 5%, divided by the number of attacks that were made on it (Bonferroni).
    """
    report = report.astype({"conclusion": object, "blind_to": object})
    p_values = report.groupby(["attack", "population", "table"], sort=False)["p_value"].first().unstack()
    limit = ALPHA / max(int(p_values["synthetic"].notna().sum()), 1)
    caught = p_values < limit
    for (attack, population), row in caught.iterrows():
        of = (report["attack"] == attack) & (report["population"] == population)
        first = report[of].drop_duplicates("table").set_index("table")
        report.loc[of, "conclusion"] = _conclusion(row, first)
        report.loc[of, "blind_to"] = ", ".join(t for t in CONTROLS if t != "fresh" and not row[t])
    keys = pd.DataFrame(
        {
            "conclusion": report["conclusion"].map(ORDER.index),
            "p": [p_values.loc[(a, p), "synthetic"] for a, p in report[["attack", "population"]].to_numpy()],
            "attack": report["attack"],
            "population": report["population"],
            "table": report["table"].map(("synthetic", *CONTROLS).index),
        }
    )
    return report.loc[keys.sort_values(list(keys), kind="stable").index].reset_index(drop=True)


def leakage_scores(report: pd.DataFrame) -> list[Score]:
    """The synthetic table's Scores, the worst attack's first, to stand beside other metrics in one report."""
    rows = report[report["table"] == "synthetic"]
    return [Score(*row) for row in rows[list(Score._fields)].itertuples(index=False, name=None)]


def _conclusion(caught: pd.Series, first: pd.DataFrame) -> str:
    """Of one attack; `first` holds its first metric on each table."""
    made, fresh = first.loc["synthetic"], first.loc["fresh"]
    if np.isnan(made["p_value"]):
        return "inconclusive"
    if caught["synthetic"]:
        return "caught" if not caught["fresh"] or made["low"] > fresh["high"] else "inconclusive"
    return "not caught" if caught["copy"] and not caught["fresh"] else "inconclusive"


def _membership_rows(name, attack, made, world, schema, rng) -> list[dict]:
    scored = []
    for turn in world.turns:
        score = attack(made, turn.reference, turn.targets, schema, rng)
        scored.append(tuple(np.split(score, [len(turn.members)])))
    rows = []
    for population, label in (("all", ""), ("exposed", "exposed")):
        if label:
            flags = zip(scored, world.exposed, strict=True)
            scored = [(m[of_m], o[of_o]) for (m, o), (of_m, of_o) in flags]
        counts = [sum(map(len, part)) for part in zip(*scored, strict=True)]
        p_value = membership_p_value(scored, rng)
        for score in membership_scores(name, scored, rng, label):
            rows.append(
                {"attack": f"membership[{name}]", "population": population, "p_value": p_value}
                | score._asdict()
                | {"note": _note_membership(score, *counts)}
            )
    return rows


def _note_membership(score: Score, num_members: int, num_others: int) -> str:
    if not np.isnan(score.value):
        return ""
    wanted = [f"{enough_others(rate):,}" for rate in RATES if f"_tpr{100 * rate:g}[" in score.metric]
    needed = f"; {wanted[0]} others are needed" if wanted else ""
    return f"not estimable: {num_members:,} members and {num_others:,} others{needed}"


def _attribute_rows(secret: str, made, world: World, schema: Schema, rng) -> list[dict]:
    guesses = attribute_inference(made, world.others, world.members, world.others, schema, rng, secret)
    populations = _by_person(guess_trials(guesses), world) | {"sure": guess_trials(guesses, SURE_SHARE)}
    return _risk_rows(f"attribute[{secret}]", populations)


def _by_person(trials: Trials, world: World) -> dict[str, Trials]:
    if not len(trials.attack):
        return {"all": trials}
    exposed = (np.concatenate(flags) for flags in zip(*world.exposed, strict=True))
    return {"all": trials, "exposed": trials.of(*exposed)}


def _risk_rows(name: str, populations: Mapping[str, Trials]) -> list[dict]:
    base, _, column = name.partition("[")
    rows = []
    for population, trials in populations.items():
        inside = [column.removesuffix("]"), "" if population == "all" else population]
        scores = [risk_score(str(Name(f"{base}_risk", *inside)), trials)]
        if base in GUESSING and population != "sure":
            scores.append(gain_score(str(Name(f"{base}_gain", *inside)), trials))
        about = {"attack": name, "population": population, "p_value": risk_p_value(trials)}
        rows += [about | score._asdict() | {"note": _note_risk(trials)} for score in scores]
    return rows


def _note_risk(trials: Trials) -> str:
    shares = (
        f"{kind} {part.mean():.3f} of {len(part):,}" if len(part) else f"{kind} none"
        for kind, part in zip(("attack", "control", "naive"), trials, strict=False)
    )
    return ", ".join(shares)
