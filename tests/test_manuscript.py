import json
import re
import shutil
from pathlib import Path

import pytest

from synthlib.bundle import Bundle
from synthlib.paper.manuscript import ManuscriptError, build_paper, find_sources
from synthlib.paper.numbers import NumbersError, write_numbers

PAPER = Path(__file__).parents[1] / "paper"

SMALL = """
#import "template.typ": *
#show: manuscript.with(title: "T", authors: "A", abstract: [Short.])
= Results
It is #num("gan.c2st", digits: 1), of #num("cohort.rows") rows, #score("gan.auc"), #percent("gan.share") @a.
#compare("gan.c2st", "gan.share", [more], [less])
#picture("one.png", [A caption.], label: <fig-one>)
#bibliography("references.bib")
"""
NUMBERS = {
    "gan": {
        "c2st": 0.649,
        "share": 0.5,
        "auc": {"value": -0.004, "low": -0.2, "high": 0.123, "reference": None},
    },
    "cohort": {"rows": 1234567},
}


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "a workspace"
    (folder / "paper").mkdir(parents=True)
    (folder / "figures").mkdir()
    (folder / "paper" / "main.typ").write_text(SMALL)
    shutil.copy(PAPER / "template.typ", folder / "paper")
    (folder / "paper" / "references.bib").write_text("@misc{a, title={A title}, author={B, C}, year={2020}}")
    _draw(folder / "figures" / "one.png")
    with Bundle.create(folder / "bundles" / "x", "data", {}) as inside:
        (inside / "a.csv").write_text("1\n")
    write_numbers(folder / "paper" / "results.json", NUMBERS, [Bundle.open(folder / "bundles" / "x")])
    return folder


def _draw(path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([0, 1])
    figure.savefig(path)


def _edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_builds_a_pdf(workspace):
    pdf = build_paper(workspace)
    assert pdf == workspace / "paper" / "paper.pdf"
    assert pdf.read_bytes().startswith(b"%PDF")


def test_equal_inputs_give_equal_bytes_wherever_they_lie(workspace, tmp_path):
    shutil.copytree(workspace, tmp_path / "elsewhere")
    assert build_paper(workspace).read_bytes() == build_paper(tmp_path / "elsewhere").read_bytes()


def test_another_number_gives_another_paper(workspace):
    before = build_paper(workspace).read_bytes()
    changed = NUMBERS | {"cohort": {"rows": 7654321}}
    write_numbers(workspace / "paper" / "results.json", changed, [Bundle.open(workspace / "bundles" / "x")])
    assert build_paper(workspace).read_bytes() != before


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("gan.c2st", "gan.mia", "gan.mia"),
        ("cohort.rows", "cohort", "cohort"),
        ('num("cohort.rows")', 'num("gan.auc.reference")', "gan.auc.reference"),
        ("one.png", "two.png", "figures/two.png"),
        ("@a.", "@b.", "<b>"),
    ],
)
def test_what_is_missing_stops_the_build_and_is_named(workspace, old, new, named):
    _edit(workspace / "paper" / "main.typ", old, new)
    with pytest.raises(ManuscriptError, match="cannot be built") as caught:
        build_paper(workspace)
    assert named in str(caught.value)
    assert not (workspace / "paper" / "paper.pdf").exists()


def test_an_earlier_paper_stays_when_the_build_stops(workspace):
    before = build_paper(workspace).read_bytes()
    (workspace / "figures" / "one.png").unlink()
    with pytest.raises(ManuscriptError):
        build_paper(workspace)
    assert (workspace / "paper" / "paper.pdf").read_bytes() == before


def test_refuses_numbers_of_other_bundles(workspace):
    manifest = workspace / "bundles" / "x" / "manifest.json"
    manifest.write_text(json.dumps({"kind": "other"}))
    with pytest.raises(NumbersError, match="x changed since"):
        build_paper(workspace)


def test_refuses_to_build_without_results(workspace):
    (workspace / "paper" / "results.json").unlink()
    with pytest.raises(NumbersError, match="found none"):
        build_paper(workspace)


def test_sources_come_from_the_workspace_or_else_from_the_repository(workspace, tmp_path):
    assert find_sources(workspace) == workspace / "paper"
    assert find_sources(tmp_path) == PAPER


# The paper's own text: every number in it comes from results.json.

ALLOWED = {  # names and conventions, not results
    "SUPPORT2", "MIMIC-III", "SHA-256", "HMAC-SHA-256", "256-bit", "95%", "CC BY 4.0", "eth-tester",
    "2-way", "3-way", "Keras 3",
}  # fmt: skip


def _prose(text):
    """What a reader sees, without calls that fetch numbers, citations, labels, math, code and comments."""
    text = text.split("#show: manuscript", 1)[-1]
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    text = re.sub(r"`[^`]*`", "", text)
    text = re.sub(r"\$[^$]*\$", "", text)
    text = re.sub(r"#?(num|percent|score|reference|compare|lookup)\([^()]*\)", "", text)
    text = re.sub(r'(picture|image|bibliography|columns)\("?[^,()]*"?', "", text)
    text = re.sub(r"@[\w:-]+|<[\w:-]+>", "", text)
    text = re.sub(
        r"\b(width|columns|digits|inset|gutter|height|size|above|below|stroke): *[^,)\n]*", "", text
    )
    text = re.sub(r'"[a-z][\w.]*"|\b[\d.]+fr\b', "", text)
    for name in sorted(ALLOWED, key=len, reverse=True):
        text = text.replace(name, "")
    return text


def test_no_number_in_the_paper_was_typed_by_hand():
    typed = [
        line.strip()
        for line in _prose((PAPER / "main.typ").read_text()).splitlines()
        if re.search(r"\d", line)
    ]
    assert not typed, "\n".join(typed)


def test_the_search_for_typed_numbers_finds_them():
    text = '#show: manuscript\nIt is #num("gan.c2st1", digits: 2) @x2020 of $n_1$ on SUPPORT2.\n'
    text += "We got 0.61.\nAnd 3 of them."
    typed = [line for line in _prose(text).splitlines() if re.search(r"\d", line)]
    assert typed == ["We got 0.61.", "And 3 of them."]


def test_every_source_the_paper_cites_is_in_the_bibliography():
    main = (PAPER / "main.typ").read_text()
    keys = set(re.findall(r"^@\w+\{([^,]+),", (PAPER / "references.bib").read_text(), flags=re.MULTILINE))
    cited = {
        key for key in re.findall(r"@([a-z][\w]+)", main) if not key.startswith(("fig-", "tab-", "sec-"))
    }
    assert cited - keys - {"fig", "tab", "sec"} == set()
    assert len(cited) >= 25


def test_the_paper_in_the_repository_is_what_its_sources_give(tmp_path):
    """Whoever changes the text, a number or a figure typesets the paper again."""
    if not (PAPER / "paper.pdf").exists():
        pytest.skip("the paper has not been built here: make reproduce")
    (tmp_path / "paper").mkdir()
    shutil.copy(PAPER / "results.json", tmp_path / "paper")
    shutil.copytree(PAPER.parent / "figures", tmp_path / "figures")
    assert build_paper(tmp_path).read_bytes() == (PAPER / "paper.pdf").read_bytes()


def test_no_semicolon_is_swallowed():
    # after #name(…) typst takes a semicolon as the end of the code, and prints none
    text = (Path(__file__).parents[1] / "paper" / "main.typ").read_text(encoding="utf-8")
    assert re.findall(r'#\w+\("[^"]*"\);', text) == []
