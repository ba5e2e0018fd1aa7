"""The literature as a table, and the map of the field drawn from it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from synthlib.paper.style import OTHERS, WIDTH, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What the closest prior work may state that it does; `states` in the .bib uses these words.
CAPABILITIES = {
    "generates": "generates\nsynthetic data",
    "scores": "scores\nthe data",
    "lineage": "records how it\nwas made",
    "ledger": "uses a\nledger",
    "recheck": "a stranger\ncan check it",
    "keyed": "keyed\ncommitments",
}
THIS_WORK = "synthlib"
_FIELDS = ["key", "label", "topic", "year", "title", "venue", "url", "states", "annotation"]


def read_references(path: Path | str) -> pd.DataFrame:
    """One row a reference, in the order of the .bib file.

    Args:
        path: BibTeX file. Every entry needs a title and its topic in `keywords`; the closest prior work also
            has `states` (words of `CAPABILITIES` separated by `;`) and `annotation`.

    Returns:
        DataFrame with columns `key, label, topic, year, title, venue, url, states, annotation`: `label` is
        "Xu et al. 2019", `year` is missing where it could not be confirmed, `states` is a tuple.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: naming every entry that is repeated, lacks a title or topic, or states something unknown.
    """
    import bibtexparser
    from bibtexparser.customization import convert_to_unicode

    parser = bibtexparser.bparser.BibTexParser(common_strings=True, customization=convert_to_unicode)
    text = Path(path).read_text(encoding="utf-8")
    entries = bibtexparser.loads(text, parser).entries
    rows = [_describe_entry(entry) for entry in entries]
    problems = [problem for row in rows for problem in _entry_problems(row)]
    keys = [row["key"] for row in rows]
    problems += [
        f"{key}: its key is used more than once"
        for key in sorted({key for key in keys if keys.count(key) > 1})
    ]
    if problems or not rows:
        raise ValueError(
            f"{Path(path).name} cannot be mapped:\n  " + "\n  ".join(problems or ["it has no entries"])
        )
    return pd.DataFrame(rows, columns=_FIELDS).astype({"year": "Int64"})


def _describe_entry(entry: dict[str, str]) -> dict:
    title = entry.get("title", "").replace("{", "").replace("}", "")
    year = entry.get("year", "")
    doi, eprint = entry.get("doi"), entry.get("eprint")
    link = f"https://doi.org/{doi}" if doi else f"https://arxiv.org/abs/{eprint}" if eprint else ""
    return {
        "key": entry["ID"],
        "label": " ".join(filter(None, [_short_author(entry.get("author", ""), title), year])),
        "topic": entry.get("keywords", ""),
        "year": int(year) if year.isdigit() else pd.NA,
        "title": title,
        "venue": entry.get("booktitle")
        or entry.get("journal")
        or ("arXiv" if eprint else entry.get("howpublished", "")),
        "url": entry.get("url") or link,
        "states": tuple(word.strip() for word in entry.get("states", "").split(";") if word.strip()),
        "annotation": entry.get("annotation", ""),
    }


def _short_author(authors: str, title: str) -> str:
    """ "Xu", "Ganev and Xu", "Xu et al."; without authors, the title up to its first colon."""
    if not authors:
        return title.split(":")[0]
    people = [person.strip() for person in authors.replace("\n", " ").split(" and ")]
    names = [
        person.strip("{}") if "," not in person else person.split(",")[0].strip("{}") for person in people
    ]
    if len(names) > 2 or "others" in names:
        return f"{names[0]} et al."
    return " and ".join(names)


def _entry_problems(row: dict) -> list[str]:
    problems = [f"{row['key']}: it has no {field}" for field in ("title", "topic") if not row[field]]
    unknown = [word for word in row["states"] if word not in CAPABILITIES]
    if unknown:
        problems.append(
            f"{row['key']}: expected states among {', '.join(CAPABILITIES)}, got {', '.join(unknown)}"
        )
    if row["states"] and not row["annotation"]:
        problems.append(f"{row['key']}: states something, but has no annotation that says what was read")
    return problems


def count_by_year(
    references: pd.DataFrame, periods: tuple[int, ...] = (2015, 2018, 2020, 2022, 2024)
) -> pd.DataFrame:
    """How many references each topic has in each period.

    Args:
        references: what `read_references` returns.
        periods: first year of every period but the first, rising.

    Returns:
        DataFrame of shape (num_topics, num_periods + 1 or + 2), in the references' order of topics; a last
        column "undated" if any lacks a year.
    """
    edges = [-(10**6), *periods, 10**6]
    names = [f"to {periods[0] - 1}"]
    names += [
        f"{start}–{(end - 1) % 100:02d}" if end - 1 > start else str(start)
        for start, end in pairwise(periods)
    ]
    names += [f"since {periods[-1]}"]
    period = pd.cut(references["year"].astype("float64"), edges, right=False, labels=names)
    period = period.cat.add_categories("undated").fillna("undated")
    counts = pd.crosstab(references["topic"], period).reindex(references["topic"].unique())
    return counts.reindex(
        columns=[*names, *(["undated"] if (period == "undated").any() else [])], fill_value=0
    )


def capability_matrix(references: pd.DataFrame) -> pd.DataFrame:
    """What the closest prior work states that it does, most first.

    False means "not stated in what was read", not "cannot".

    Returns:
        Boolean DataFrame with one row a reference that states anything, and the columns of `CAPABILITIES`.
    """
    closest = references[references["states"].map(len) > 0]
    matrix = pd.DataFrame(
        [[word in states for word in CAPABILITIES] for states in closest["states"]],
        index=pd.Index(closest["label"], name="work"),
        columns=list(CAPABILITIES),
    )
    return matrix.iloc[(-matrix.sum(axis=1).to_numpy()).argsort(kind="stable")]


def draw_field_map(references: pd.DataFrame) -> Figure:
    """Two panels: references by topic and period, and what the closest prior work states that it does."""
    counts, matrix = count_by_year(references), capability_matrix(references)
    with styled():
        figure = new_figure(WIDTH * 0.78, 0.23 * (len(counts) + len(matrix)) + 1.6)
        above, below = figure.subplots(2, 1, height_ratios=[len(counts), len(matrix) + 1])
        _draw_counts(above, counts)
        _draw_matrix(below, matrix)
    return figure


def _draw_counts(axes, counts: pd.DataFrame) -> None:
    axes.imshow(counts.to_numpy(), cmap="Greys", vmin=0, vmax=2 * counts.to_numpy().max(), aspect="auto")
    for row, column in zip(*counts.to_numpy().nonzero(), strict=True):
        axes.text(column, row, str(counts.iat[row, column]), ha="center", va="center")
    axes.set_xticks(range(counts.shape[1]), counts.columns)
    axes.set_yticks(range(len(counts)), counts.index)
    axes.set_title(f"{int(counts.to_numpy().sum())} references by topic and year")
    _draw_grid(axes, counts.shape)


def _draw_matrix(axes, matrix: pd.DataFrame) -> None:
    works = [*matrix.index, THIS_WORK]
    stated = [*zip(*matrix.to_numpy().nonzero(), strict=True)]
    axes.plot(
        [column for _, column in stated], [row for row, _ in stated], "o", color=OTHERS[3], markersize=6
    )
    ours = [len(matrix)] * matrix.shape[1]
    axes.plot(range(matrix.shape[1]), ours, "s", color=OTHERS[2], markersize=6)
    axes.set_xlim(-0.5, matrix.shape[1] - 0.5)
    axes.set_ylim(len(works) - 0.5, -0.5)
    axes.set_xticks(range(matrix.shape[1]), [CAPABILITIES[name] for name in matrix.columns])
    axes.set_yticks(range(len(works)), works)
    axes.set_title("What the closest prior work states (blank: not stated)")
    _draw_grid(axes, (len(works), matrix.shape[1]))


def _draw_grid(axes, shape: tuple[int, int]) -> None:
    axes.set_xticks([column + 0.5 for column in range(shape[1] - 1)], minor=True)
    axes.set_yticks([row + 0.5 for row in range(shape[0] - 1)], minor=True)
    axes.grid(which="minor", color="0.85", linewidth=0.6)
    axes.tick_params(which="both", length=0)
    for side in axes.spines.values():
        side.set_visible(False)
