"""One HTML file that says what a report found, for who reads no code: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import io
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from synthlib.areas import QUESTIONS, find_measure, is_published
from synthlib.bundle import write_atomically
from synthlib.evaluation.leakage.results import find_leakage, publish_leakage, summarise_leakage
from synthlib.gate import UNDECIDED, Verdict
from synthlib.paper.findings import (
    AreaVerdict,
    Finding,
    find_all,
    judge_areas,
    list_unknown_columns,
    list_untested,
    rank_columns,
    say_standing,
)
from synthlib.paper.markup import Html, join, tag
from synthlib.paper.page_attacks import list_attacks
from synthlib.paper.page_parts import badge, code, interval, key, scroll, table
from synthlib.paper.page_words import GLOSSARY, LIMITS, SETTING_WORDS
from synthlib.paper.strips import choose_scale, draw_strip, show
from synthlib.schema import Schema
from synthlib.scores import Score, round_scores
from synthlib.thresholds import REFUSES, acceptance_digest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "How good is this synthetic table?"
FEW = 12  # columns that are drawn


def write_page(report: pd.DataFrame, path: Path | str, **options: Any) -> Path:
    """Write `render_page` of the same arguments to a file, whole or not at all.

    Returns:
        The path. A confidential page is readable by its owner alone.
    """
    path = Path(path)
    figures = options.get("figures")
    mode = 0o644 if is_publishable(report, figures) else 0o600
    write_atomically(path, render_page(report, **options).encode(), mode)
    return path


def is_publishable(report: pd.DataFrame, figures: Mapping[str, Figure] | None = None) -> bool:
    """Whether a page tells no more than a release: a report from `public_report`, and no further figures."""
    rounded = round_scores(report)[list(Score._fields)]
    same = rounded.equals(report[list(Score._fields)].reset_index(drop=True).astype(rounded.dtypes))
    return bool(same and report["metric"].map(is_published).all() and not figures)


def render_page(
    report: pd.DataFrame,
    schema: Schema | None = None,
    gate: Verdict | None = None,
    leakage: pd.DataFrame | None = None,
    notes: Sequence[str] | None = None,
    title: str = TITLE,
    figures: Mapping[str, Figure] | None = None,
) -> str:
    """A report as one HTML page; the same arguments give the same bytes.

    It is as confidential as the report, and says so: from `evaluate`, as train; from `public_report`, and
    without figures, it can be published.

    Args:
        report: DataFrame of Scores.
        schema: of the tables; names the target.
        gate: verdict on thresholds that were declared; None where there were none.
        leakage: attacks beside their controls, a row each; where it has a column `conclusion`, that is shown
            as a verdict. If None, `summarise_leakage` of what is kept with the report; on a page that can be
            published only what `publish_leakage` leaves.
        notes: what must be known; `report.attrs["notes"]` if None.
        title: of the page.
        figures: caption → matplotlib figure, such as `figures.roc_and_calibration`: confidential.

    Returns:
        HTML text.

    Raises:
        ValueError: if the report has no scores.
    """
    if not len(report):
        raise ValueError("expected a report with at least one Score, got none")
    notes = report.attrs.get("notes", []) if notes is None else notes
    public = is_publishable(report, figures)
    if leakage is None:
        kept = find_leakage(report, public)
        leakage = None if kept is None else summarise_leakage(kept)
    elif public:
        leakage = publish_leakage(leakage)
    findings = find_all(report, gate)
    verdicts = judge_areas(findings, gate)
    css = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    sections = [
        ("short", "In short", _summarise(verdicts, gate)),
        ("thresholds", "Thresholds", _list_thresholds(gate)),
        ("findings", "Findings", _list_findings(verdicts)),
        ("attacks", "Attacks and their controls", list_attacks(leakage)),
        ("columns", "Single columns", _list_columns(report)),
        ("figures", "Figures", _show_figures(figures)),
        ("limits", "What was not tested, and what cannot be shown", _list_limits(verdicts, notes, gate)),
        ("words", "What the words mean", _list_words()),
        ("scores", "All scores", _list_scores(report)),
    ]
    sections = [(name, heading, body) for name, heading, body in sections if body]
    main = [
        tag("section", tag("h2", heading, id=name), body, aria_labelledby=name)
        for name, heading, body in sections
    ]
    body = join([
        tag("a", "Skip to the findings", class_="skip", href="#short"),
        _head(report, schema, title, public, sections),
        tag("main", main, id="main"),
        tag("footer", tag("p", "Written by synthlib. Each number is also in the report's CSV and JSON.")),
    ])  # fmt: skip
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = join([
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", Html(css)),
    ])  # fmt: skip
    return f"<!DOCTYPE html>\n{tag('html', tag('head', head), tag('body', body), lang='en')}\n"


def _head(report: pd.DataFrame, schema: Schema | None, title: str, public: bool, sections: list) -> Html:
    if public:
        said = "It can be published: overall scores, rounded as in a release, and none of a single column."
    else:
        said = (
            "As the training table is: means, quantiles and missing rates of real patients can be worked out "
            "from what stands here. For the data's steward alone."
        )
    about = f"{len(report)} scores" + (f", {len(schema.modelled)} columns" if schema else "")
    about += f"; what is predicted: {schema.target}" if schema and schema.target else ""
    links = [tag("li", tag("a", heading, href=f"#{name}")) for name, heading, _ in sections]
    return tag(
        "header",
        tag("h1", title),
        tag("p", tag("strong", "Public. " if public else "Confidential. "), said,
            class_=f"standing {'public' if public else 'confidential'}"),
        tag("p", f"{about}.", class_="muted"),
        tag("nav", tag("ul", links), aria_label="Sections"),
    )  # fmt: skip


def _summarise(verdicts: list[AreaVerdict], gate: Verdict | None) -> list[Html]:
    if gate is None:
        said = "No threshold was declared, so nothing passes or fails here: read the values "
        first = tag("p", said, "beside their references.")
    else:
        is_open = gate.outcome == "failed" and gate.standing == UNDECIDED
        shown = UNDECIDED if is_open else gate.outcome
        first = tag("p", badge(shown), " ", say_standing(gate))
    rows = []
    for one in verdicts:
        worst = one.findings[0] if one.findings else None
        told = "Nothing of this kind was measured."
        if worst:
            name = _name(worst)
            told = [name[:1].upper() + name[1:], ": ", _say(worst), " ", worst.reading]
        told = [one.remark, " ", told] if one.remark else told
        rows.append(
            [tag("span", one.area.capitalize(), tag("small", QUESTIONS[one.area])), badge(one.outcome), told]
        )
    return [
        first,
        table(["Area", "Verdict", "What decides it, or is furthest from its reference"], rows,
              "Areas, worst first", "cards"),
    ]  # fmt: skip


def _list_thresholds(gate: Verdict | None) -> list[Html] | None:
    if gate is None:
        return [tag("p", "No threshold was declared.")]
    rows = []
    for one in gate.results:
        score = Score(one["measured"], *(one[name] for name in Score._fields[1:]))
        seen = "–" if not one["measured"] else [code(one["measured"]), " ", interval(score)]
        why = one["threshold"].get("why")
        limit = [one["limit"], tag("small", why) if why else None]
        outcome = [badge(one["outcome"]), tag("small", one["detail"])]
        declared = one["threshold"]
        named = [code(declared["metric"]) if declared.get("metric") else f"area {declared['area']}"]
        named += [f" ({declared['population']} patients)"] if declared.get("population") else []
        named += [" except ", code(declared["except"])] if declared.get("except") else []
        rows.append([tag("span", "worst of " if declared.get("worst") else "", named), limit, seen, outcome])
    digest, rule = acceptance_digest(gate.acceptance), gate.acceptance.get("inconclusive", REFUSES)
    power = gate.acceptance.get("power", "")
    used = ", ".join(_say_setting(*each) for each in sorted((gate.used or {}).items()))
    return [
        tag("p", "As they were declared. Where the limit speaks of the end of the interval, passed: the "
            "whole interval keeps to it; failed: all of it lies beyond. Where it does not, the value alone "
            "decides, however wide its interval. Inconclusive: too few patients to tell, it could not be "
            "computed, or an attack "
            f"whose control is not caught; what is inconclusive {rule}. SHA-256 of what was declared: ",
            tag("code", digest)),
        tag("p", tag("strong", "What they would notice. "), power) if power else "",
        tag("p", tag("strong", "How it was evaluated, as declared or not: "), used) if used else "",
        table(["What", "Must be", "Measured", "Outcome"], rows, "Thresholds", "cards"),
    ]  # fmt: skip


def _say_setting(name: str, value: Any) -> str:
    told = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
    return f"{SETTING_WORDS.get(name, name)} {told}"


def _list_findings(verdicts: list[AreaVerdict]) -> list[Html]:
    limits = {}
    for one in (each for verdict in verdicts for each in verdict.results):
        threshold = one["threshold"]
        if threshold.get("of", "value") == "value" and one["measured"]:
            limits[one["measured"]] = float(threshold.get("at_most", threshold.get("at_least")))
    said = (
        "In each area first what failed its threshold, then what is undecided, then what is furthest from "
        "its reference for the width of its interval. Worse or better than the reference: the 95% interval "
        "leaves it out. Else chance may explain it."
    )
    parts = [tag("p", said), key()]
    for verdict in verdicts:
        parts.append(tag("h3", verdict.area.capitalize(), " ", badge(verdict.outcome)))
        parts.append(tag("p", QUESTIONS[verdict.area], class_="muted"))
        parts.append(tag("p", verdict.remark) if verdict.remark else "")
        if not verdict.findings:
            parts.append(tag("p", "Nothing of this kind was measured."))
            continue
        rows = [_find_row(one, limits.get(one.score.metric)) for one in verdict.findings]
        heads = ["Question", "Value (95% interval)", "Reference", "Plot", "Reading"]
        parts.append(table(heads, rows, f"Scores of {verdict.area}, worst first", "cards"))
    return parts


def _find_row(one: Finding, limit: float | None) -> list[Any]:
    more = f", worst of {one.others + 1}" if one.others else ""
    asked = tag("span", one.question, tag("small", one.label, more, " (", code(one.score.metric), ")"))
    strip = draw_strip(one.score, one.scale, limit)
    return [asked, interval(one.score), show(one.score.reference), strip, one.reading]


def _list_columns(report: pd.DataFrame) -> list[Html] | None:
    columns, unknown = rank_columns(report), list_unknown_columns(report)
    named = [[", " if place else "", code(each)] for place, each in enumerate(unknown)]
    lost = tag("p", tag("strong", "Not known, as a table has too few values: "), named) if named else ""
    if columns.empty:
        return [lost] if lost else None
    drawn = [Score(*row) for row in columns.head(FEW)[list(Score._fields)].itertuples(index=False)]
    scale = choose_scale([value for one in drawn for value in one[1:] if value == value])
    rows = [
        [
            code(one.metric.partition("[")[2][:-1]),
            interval(one),
            show(one.reference),
            draw_strip(one, scale),
        ]
        for one in drawn
    ]
    said = (
        "How far each column's distribution is from train's: the largest difference of cumulated shares for "
        "numbers, half the summed differences of shares for levels. 0 is the same; the reference is what "
        "fresh patients show by chance."
    )
    heads = ["Column", "Distance (95% interval)", "Reference", "Plot"]
    shown = f"The {len(drawn)} furthest of {len(columns)} columns"
    return [tag("p", said), lost, table(heads, rows, shown, "cards")]


def _show_figures(figures: Mapping[str, Figure] | None) -> list[Html] | None:
    return [
        tag("figure", tag("img", src=_to_data(figure), alt=caption), tag("figcaption", caption))
        for caption, figure in (figures or {}).items()
    ]


def _to_data(figure: Figure) -> str:
    """A matplotlib figure as a data URL of SVG: text as paths, ids salted alike, no date."""
    from synthlib.paper.style import styled

    buffer = io.BytesIO()
    with styled():
        copy = pickle.loads(pickle.dumps(figure))  # drawing lays out anew: a second time gives other bytes
        copy.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def _list_limits(verdicts: list[AreaVerdict], notes: Sequence[str], gate: Verdict | None) -> list[Html]:
    absent = [one.area for one in verdicts if not one.findings]
    said = [f"Nothing of {area} was measured: {QUESTIONS[area]}" for area in sorted(absent)]
    said += [] if gate is None else list_untested(gate)
    parts = [tag("ul", [tag("li", each) for each in LIMITS])]
    if said or notes:
        parts = [tag("h3", "Of this evaluation"), tag("ul", [tag("li", each) for each in (*said, *notes)]),
                 tag("h3", "Of every evaluation"), *parts]  # fmt: skip
    return parts


def _list_words() -> list[Html]:
    words = [(tag("dt", term), tag("dd", meaning)) for term, meaning in sorted(GLOSSARY.items())]
    return [tag("details", tag("summary", f"Glossary, {len(GLOSSARY)} terms"), tag("dl", words))]


def _list_scores(report: pd.DataFrame) -> list[Html]:
    rows = []
    for row in report[list(Score._fields)].itertuples(index=False):
        measure = find_measure(row.metric)
        numbers = [show(value) for value in row[1:]]
        rows.append([code(row.metric), measure.label if measure else "–", *numbers])
    listed = table(["Metric", "What", "Value", "Low", "High", "Reference"], rows, "Every score of the report")
    return [tag("details", tag("summary", f"All {len(report)} scores"), scroll(listed, "All scores"))]


def _name(one: Finding) -> str:
    return one.label + (f", worst of {one.others + 1}" if one.others else "")


def _say(one: Finding) -> list[Any]:
    return [interval(one.score), f"; reference {show(one.score.reference)}."]
