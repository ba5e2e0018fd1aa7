import ast
import re
from pathlib import Path

import bibtexparser
import pandas as pd
import pytest
from bibtexparser.customization import convert_to_unicode

from synthlib.paper.literature import (
    CAPABILITIES,
    capability_matrix,
    count_by_year,
    draw_field_map,
    read_references,
)

ROOT = Path(__file__).parents[1]
REFERENCES, METHODS = (ROOT / "paper" / f"{name}.bib" for name in ("references", "methods"))
NAME = r"(?:[A-Z][\w’'-]+)(?: [A-Z][\w’'-]+)*"
WORK = re.compile(rf"({NAME}(?:, {NAME})*(?: et al\.|,? and {NAME})?),? ((?:18|19|20)\d\d)\b")

SMALL = """
% a comment
@article{a2019, author={Alpha, Ann}, title={{One} thing}, journal={J}, year={2019}, doi={10.1/x},
  keywords={left}}
@misc{b2024, author={Beta, B. and Gamma, C.}, title={Two}, year={2024}, eprint={2401.1}, keywords={right},
  states={ledger; generates}, annotation={Says so.}}
@misc{c2024, author={M{\\"u}ller, D. and others}, title={Three}, year={2024}, keywords={right},
  states={ledger}, annotation={Says so.}}
@misc{d, title={Four: the rest}, url={https://d.example}, keywords={left}}
@misc{e2016, author={{The Company}}, title={Five}, year={2016}, keywords={left}}
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.bib"
    path.write_text(SMALL, encoding="utf-8")
    return read_references(path)


def test_rows_and_labels(small):
    assert list(small["key"]) == ["a2019", "b2024", "c2024", "d", "e2016"]
    assert list(small["label"]) == [
        "Alpha 2019",
        "Beta and Gamma 2024",
        "Müller et al. 2024",
        "Four",
        "The Company 2016",
    ]
    assert list(small["title"][:2]) == ["One thing", "Two"]
    assert list(small["url"][:2]) == ["https://doi.org/10.1/x", "https://arxiv.org/abs/2401.1"]
    assert small["year"].isna().sum() == 1
    assert small["states"][1] == ("ledger", "generates")


def test_counts(small):
    counts = count_by_year(small, periods=(2018, 2020))
    expected = pd.DataFrame(
        [[1, 1, 0, 1], [0, 0, 2, 0]],
        index=["left", "right"],
        columns=["to 2017", "2018–19", "since 2020", "undated"],
    )
    assert counts.to_numpy().tolist() == expected.to_numpy().tolist()
    assert list(counts.index) == list(expected.index)
    assert list(counts.columns) == list(expected.columns)


def test_capabilities_put_the_closest_work_first(small):
    matrix = capability_matrix(small)
    assert list(matrix.index) == ["Beta and Gamma 2024", "Müller et al. 2024"]
    assert list(matrix.columns) == list(CAPABILITIES)
    assert matrix.sum(axis=1).tolist() == [2, 1]
    assert bool(matrix.loc["Beta and Gamma 2024", "ledger"])


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("@misc{x, title={T}}", "x: it has no topic"),
        ("@misc{x, keywords={k}}", "x: it has no title"),
        ("@misc{x, title={T}, keywords={k}, states={flies}, annotation={a}}", "flies"),
        ("@misc{x, title={T}, keywords={k}, states={ledger}}", "no annotation"),
        ("% nothing", "no entries"),
    ],
)
def test_refuses_what_cannot_be_mapped(tmp_path, entry, problem):
    (tmp_path / "bad.bib").write_text(entry)
    with pytest.raises(ValueError, match=problem):
        read_references(tmp_path / "bad.bib")


def test_refuses_a_key_used_twice(tmp_path):
    entry = "@misc{x, title={T}, keywords={k}}\n"
    (tmp_path / "twice.bib").write_text(entry + entry)
    with pytest.raises(ValueError, match="more than once"):
        read_references(tmp_path / "twice.bib")


def test_our_references_are_whole():
    references = read_references(REFERENCES)
    assert len(references) >= 80
    assert references["topic"].nunique() >= 8
    dated = references["year"].dropna()
    assert dated.between(1980, 2026).all()
    findable = references["url"].str.startswith("https://") | references["venue"].ne("")
    assert references.loc[~findable, "key"].tolist() == ["hipaasafeharbor"]  # its title is its citation


def test_no_prior_work_is_said_to_do_everything():
    """The gap that the review claims: if a reference ever fills it, the claim must go."""
    assert not capability_matrix(read_references(REFERENCES)).all(axis=1).any()


def test_field_map_shows_every_topic_and_work(small):
    above, below = draw_field_map(small).axes
    assert [tick.get_text() for tick in above.get_yticklabels()] == ["left", "right"]
    works = [tick.get_text() for tick in below.get_yticklabels()]
    assert works == ["Beta and Gamma 2024", "Müller et al. 2024", "synthlib"]
    stated, ours = (line.get_xydata().tolist() for line in below.lines)
    assert stated == [[0, 0], [3, 0], [3, 1]]  # generates and uses a ledger; uses a ledger
    assert ours == [[column, 2] for column in range(len(CAPABILITIES))]


def list_works(text: str) -> list[tuple[tuple[str, ...], str]]:
    """The works that a text names, as (last words of the names, year): "Raab, Nowok and Dibben 2016"."""
    found = []
    for names, year in WORK.findall(" ".join(text.split())):
        people = re.split(r",? and |, ", names.removesuffix(" et al."))
        found.append((tuple(name.split()[-1] for name in people), year))
    return found


def docstring_works() -> dict[tuple[tuple[str, ...], str], str]:
    """Each work that a docstring of the library names, and the module that does."""
    works = {}
    for path in sorted((ROOT / "synthlib").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                found = list_works(ast.get_docstring(node) or "")
                works |= dict.fromkeys(found, str(path.relative_to(ROOT)))
    return works


def read_authors(path: Path) -> dict[str, tuple[set[str], str]]:
    """Key → (all words of the authors, year)."""
    parser = bibtexparser.bparser.BibTexParser(common_strings=True, customization=convert_to_unicode)
    entries = bibtexparser.loads(path.read_text(encoding="utf-8"), parser).entries
    return {
        one["ID"]: (set(re.findall(r"[\w’'-]+", one.get("author", ""))), one.get("year", ""))
        for one in entries
    }


def names(work: tuple[tuple[str, ...], str], entry: tuple[set[str], str]) -> bool:
    people, year = work
    return year == entry[1] and set(people) <= entry[0]


def test_works_are_found_where_they_are_named():
    text = "A tree (van Breugel et al. 2023); Raab, Nowok and\n  Dibben 2016; Ganev and De Cristofaro 2025."
    assert list_works(text) == [
        (("Breugel",), "2023"),
        (("Raab", "Nowok", "Dibben"), "2016"),
        (("Ganev", "Cristofaro"), "2025"),
    ]
    assert list_works("RFC 9162, section 2.1; in 2016 patients of 1989") == []
    assert not names((("Raab", "Nowak"), "2016"), ({"Raab", "Nowok", "Dibben"}, "2016"))
    assert not names((("Raab",), "2017"), ({"Raab", "Nowok", "Dibben"}, "2016"))


def test_every_work_that_a_docstring_names_is_in_a_bibliography():
    entries = [*read_authors(REFERENCES).values(), *read_authors(METHODS).values()]
    works = docstring_works()
    assert len(works) > 80
    absent = {
        f"{module}: {' and '.join(people)} {year}"
        for (people, year), module in works.items()
        if not any(names((people, year), entry) for entry in entries)
    }
    assert absent == set()


def test_no_method_is_listed_that_nobody_names():
    works, entries = docstring_works(), read_authors(METHODS)
    assert [key for key, entry in entries.items() if not any(names(work, entry) for work in works)] == []
    assert not set(entries) & set(read_authors(REFERENCES))
    assert read_references(METHODS)["topic"].str.startswith("methods: ").all()
