"""The page: one file, nothing from elsewhere, nothing unescaped, readable, the same bytes twice."""

import base64
import hashlib
import math
import re
import shutil
import stat
import subprocess
from html.parser import HTMLParser
from itertools import pairwise

import pandas as pd
import pytest
from conftest import make_cohort

import synthlib as sl
from synthlib.areas import NAMES
from synthlib.gate import judge
from synthlib.paper.findings import NO_THRESHOLD, find_all, judge_areas, rate
from synthlib.paper.markup import Html, tag
from synthlib.paper.page import is_publishable, render_page, write_page
from synthlib.paper.strips import choose_scale, draw_strip, show
from synthlib.release import public_report
from synthlib.scores import Score, to_report

NAN = math.nan
EVIL = "<script>alert(1)</script>\"'&"
SCORES = [
    Score("marginal_accuracy_1way", 0.95, 0.93, 0.96, 0.94),
    Score("c2st_boosting", 0.71, 0.68, 0.74, 0.5),
    Score("membership_auroc", 0.52, 0.49, 0.54, 0.5),
    Score("membership_auroc_control", 0.8, 0.78, 0.82, 0.5),
    Score("membership_tpr1[domias]", 0.02, 0.01, 0.03, 0.01),
    Score("membership_tpr1[nearest]", 0.2, 0.1, 0.3, 0.01),
    Score("exact_copies", NAN, NAN, NAN, 0.0),
    Score("tstr_auroc_gap_boosting", -0.01, -0.03, 0.01, 0.0),
    Score("invalid_share", 0.0002, 0.0, 0.001, 0.0),
    Score(f"ks[{EVIL}]", 0.2, 0.1, 0.3, 0.05),
    Score("tv[sex]", 0.01, 0.0, 0.02, 0.02),
]
ACCEPTANCE = {
    "thresholds": [
        {"metric": "membership_auroc", "at_most": 0.55, "bound": "high", "why": EVIL},
        {"metric": "tstr_auroc_gap_*", "worst": True, "at_least": -0.02, "bound": "low"},
        {"metric": "fairness_*", "worst": True, "at_most": 0.1, "if_measured": True},
    ]
}
LEAKAGE = pd.DataFrame(
    {
        "attack": [EVIL, "linkability"],
        "conclusion": ["caught", "inconclusive"],
        "p_value": [0.00001, NAN],
        **{"value": [0.2, NAN], "low": [0.1, NAN], "high": [0.3, NAN], "on_copy": [0.9, 0.1]},
    }
)


@pytest.fixture(scope="module")
def report():
    return to_report(SCORES)


@pytest.fixture(scope="module")
def figure():
    from synthlib.paper.style import new_figure

    figure = new_figure(2, 1)
    figure.subplots().plot([0, 1], [1, 0])
    return figure


@pytest.fixture(scope="module")
def page(report, figure):
    gate = judge(report, ACCEPTANCE)
    schema = sl.Schema.infer(make_cohort(60), target="died")
    return render_page(
        report, schema=schema, gate=gate, leakage=LEAKAGE, notes=[EVIL], title=EVIL, figures={EVIL: figure}
    )


class Outline(HTMLParser):
    """Elements in order, with attributes, text, and where they are nested."""

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, name, attributes):
        self.found.append((name, dict(attributes), [], tuple(self.open)))
        if name not in ("meta", "wbr", "img"):
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.found.append((name, dict(attributes), [], tuple(self.open)))

    def handle_endtag(self, name):
        assert self.open and self.open[-1] == name, f"</{name}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        if self.found:
            self.found[-1][2].append(data)

    def all(self, *names):
        return [one for one in self.found if one[0] in names]


@pytest.fixture(scope="module")
def outline(page):
    return Outline(page)


# One file


def test_nothing_comes_from_elsewhere(page, outline):
    assert not outline.all("script", "link", "iframe", "object", "embed", "base", "form", "audio", "video")
    for name, attributes, _, _ in outline.found:
        assert not any(each.startswith("on") or each in ("style", "srcset", "action") for each in attributes)
        for each in ("src", "href", "xlink:href"):
            if each in attributes:
                allowed = "data:image/svg+xml;base64," if name == "img" else "#"
                assert attributes[each].startswith(allowed)
    css = page.partition("<style>")[2].partition("</style>")[0]
    assert "url(" not in css and "@import" not in css


def test_the_policy_allows_its_own_style_alone(page, outline):
    (policy,) = [one[1]["content"] for one in outline.all("meta") if "http-equiv" in one[1]]
    css = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ") and f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy and "script-src" not in policy


def test_the_same_arguments_give_the_same_bytes(page, report, figure, tmp_path):
    schema = sl.Schema.infer(make_cohort(60), target="died")
    options = {"schema": schema, "gate": judge(report, ACCEPTANCE), "leakage": LEAKAGE, "notes": [EVIL]}
    path = write_page(report, tmp_path / "a.html", title=EVIL, figures={EVIL: figure}, **options)
    assert path.read_text(encoding="utf-8") == page
    assert not re.search(r"\b20\d\d-\d\d-\d\d\b|dc:date", page)


def test_names_of_columns_are_text(page):
    assert EVIL not in page and "<script" not in page
    assert page.count("&lt;script&gt;") >= 6  # title, heading, reason, attack, column, note, caption


# Structure


def test_it_has_landmarks_and_headings_in_order(outline):
    (html,) = outline.all("html")
    assert html[1]["lang"] == "en" and outline.all("title") and len(outline.all("main", "h1")) == 2
    assert outline.all("header") and outline.all("footer") and outline.all("nav")[0][1]["aria-label"]
    levels = [int(one[0][1]) for one in outline.all("h1", "h2", "h3")]
    assert levels[0] == 1 and all(after - before <= 1 for before, after in pairwise(levels))
    ids = [one[1]["id"] for one in outline.found if "id" in one[1]]
    assert len(ids) == len(set(ids))
    assert {one[1]["href"][1:] for one in outline.all("a")} <= set(ids)
    assert all(one[1]["aria-labelledby"] in ids for one in outline.all("section"))


def test_tables_have_captions_and_heads_with_scope(outline):
    for head in outline.all("th"):
        assert head[1]["scope"] in ("row", "col") and head[1]["role"] in ("rowheader", "columnheader")
    tables = outline.all("table")
    assert len(tables) == len(outline.all("caption")) and all(one[1]["role"] == "table" for one in tables)


def test_pictures_have_words(outline):
    assert all(one[1]["alt"] for one in outline.all("img"))
    for svg in outline.all("svg"):
        assert svg[1].get("aria-hidden") or svg[1].get("aria-label") or "svg" in svg[3]
    assert all(one[1]["tabindex"] == "0" and one[1]["aria-label"] for one in outline.all("div"))
    assert len(outline.all("details")) == len(outline.all("summary")) == 2


def test_a_verdict_is_words_and_not_colour_alone(page):
    for found in re.finditer(r'<span class="badge \w+"><span aria-hidden="true">.</span>([^<]*)', page):
        assert found.group(1).strip()


# Content


def test_it_says_at_the_top_what_it_is(page, report):
    public = render_page(public_report(report))
    assert "Confidential." in page and "Public." not in page
    assert "Public." in public and "Confidential." not in public
    assert "ks[" not in public and "Single columns" not in public


def test_only_what_a_release_tells_can_be_published(report, figure):
    public = public_report(report)
    assert is_publishable(public) and not is_publishable(report)
    assert not is_publishable(public, {"a": figure})
    precise = to_report([Score("exact_copies", 0.12345, 0.1, 0.2, 0.1)])
    assert not is_publishable(precise) and is_publishable(public_report(precise))
    assert is_publishable(to_report([Score("exact_copies", 0, 0, 1, 0)]))


def test_a_confidential_file_is_its_owners(report, tmp_path):
    modes = [
        stat.S_IMODE(write_page(each, tmp_path / f"{n}.html").stat().st_mode)
        for n, each in enumerate([report, public_report(report)])
    ]
    assert modes[0] == 0o600 and modes[1] & 0o400


def test_thresholds_and_verdicts_are_told(page, report):
    assert "Of 2 thresholds that were declared 1 are met, 0 missed and 1 undecided: it does not pass" in page
    assert "No threshold was declared" in render_page(report)
    gate = judge(report, {"thresholds": ACCEPTANCE["thresholds"][:1]})
    assert "All 1 thresholds that were declared are met" in render_page(report, gate=gate)


def test_missed_and_undecided_are_told_apart_and_what_was_not_decided_is_listed(page, report):
    short = page.partition('id="short"')[2].partition("</section>")[0]
    assert 'class="badge unsure"><span aria-hidden="true">?</span> inconclusive' in short
    limits = page.partition('id="limits"')[2].partition("</section>")[0]
    assert "Not decided, worst of tstr_auroc_gap_*: the interval reaches -0.030, beyond -0.02" in limits
    assert "Not decided, worst of fairness_*: the report holds no such metric" in limits
    missed = judge(report, {"thresholds": [{"metric": "membership_auroc", "at_most": 0.4, "bound": "high"}]})
    said = render_page(report, gate=missed)
    assert "0 are met, 1 missed and 0 undecided" in said and "badge failed" in said


def test_the_power_statement_the_rule_and_blind_attacks_are_shown(report):
    blind = [Score("membership_auroc[weak]", 0.5, 0.48, 0.52, 0.5)]
    blind += [Score("membership_auroc_control[weak]", 0.5, 0.48, 0.52, 0.5)]
    whole = pd.concat([report, to_report(blind)], ignore_index=True)
    threshold = {"metric": "membership_auroc*", "worst": True, "at_most": 0.55, "bound": "high"}
    told = {"thresholds": [threshold], "power": f"a leak of 9% {EVIL}", "inconclusive": "passes"}
    page = render_page(whole, gate=judge(whole, told))
    assert "a leak of 9% &lt;script&gt;" in page and "what is inconclusive passes" in page
    assert "left out of worst of membership_auroc*: membership_auroc[weak]" in page


def test_it_says_where_the_value_alone_was_judged():
    """An interval of 0 to 0.4 that passed a limit of 0.1 must not look as if all of it kept to it."""
    wide = to_report([Score("invalid_share", 0.05, 0.0, 0.4, 0.0)])
    for bound, outcome in (("value", "passed"), ("high", "inconclusive")):
        gate = judge(wide, {"thresholds": [{"metric": "invalid_share", "at_most": 0.1, "bound": bound}]})
        page = render_page(wide, gate=gate)
        assert gate.results[0]["outcome"] == outcome
        assert "the value alone decides, however wide its interval" in page
        assert ("unfavourable end" in page) == (bound == "high")


def test_areas_come_worst_first(report):
    verdicts = judge_areas(find_all(report), judge(report, ACCEPTANCE))
    assert [(one.area, one.outcome) for one in verdicts] == [
        ("usefulness", "inconclusive"),
        ("fairness", "not measured"),
        ("fidelity", NO_THRESHOLD),
        ("validity", NO_THRESHOLD),
        ("leakage", "passed"),
    ]
    assert {one.area for one in judge_areas(find_all(report), None)} == set(NAMES)


def test_findings_are_the_worst_of_each_kind_first(report):
    leakage = [one for one in find_all(report) if one.area == "leakage"]
    assert [one.score.metric for one in leakage] == [
        *("membership_tpr1[nearest]", "membership_auroc", "exact_copies")
    ]
    assert leakage[0].others == 1 and "no control" in leakage[0].reading
    assert leakage[1].reading == "Not told from the reference. Control: 0.800, it would have found copies."
    assert leakage[2].reading == "Could not be computed."


def test_an_area_leads_with_what_failed_and_not_with_what_is_furthest():
    """Further from its reference is dcr_share; failed has the gain of a secret that is not the worst one."""
    scores = [
        Score("dcr_share", 0.9, 0.89, 0.91, 0.5),
        Score("attribute_gain[near]", 0.3, 0.299, 0.301, 0.0),
        Score("attribute_gain[lab]", 0.2, 0.1, 0.3, 0.0),
        Score("attribute_gain_control[lab]", 0.9, 0.8, 1.0, 0.0),
        Score("membership_auroc", 0.52, 0.44, 0.6, 0.5),
        Score("membership_auroc_control", 0.8, 0.75, 0.85, 0.5),
    ]
    asked = [
        {"metric": "membership_auroc", "at_most": 0.55, "bound": "high"},
        {"metric": "attribute_gain[lab]", "at_most": 0.05, "bound": "high"},
    ]
    report = to_report(scores)
    gate = judge(report, {"thresholds": asked})
    findings = find_all(report, gate)
    order = ["attribute_gain[lab]", "membership_auroc", "dcr_share"]
    assert [one.score.metric for one in findings] == order
    assert findings[0].reading.startswith("Failed: 0.300 is beyond 0.05.") and findings[0].others == 1
    assert findings[1].reading.startswith("Inconclusive: the interval reaches 0.600")
    assert findings[2].reading == "Worse than the reference. No threshold is about it."
    without = [one.score.metric for one in find_all(report)]
    assert without[:2] == ["attribute_gain[near]", "dcr_share"]
    short = render_page(report, gate=gate).partition('id="short"')[2].partition("</section>")[0]
    assert "Failed: 0.300 is beyond 0.05." in short and "dcr" not in short


def test_a_page_names_populations_and_says_what_was_not_judged(report):
    asked = {"metric": "membership_auroc*", "population": "exposed", "worst": True, "at_most": 0.7}
    told = {"thresholds": [asked], "power": "Not judged: linkability."}
    page = render_page(report, gate=judge(report, told))
    assert "(exposed patients)" in page and "Not judged: linkability." in page


@pytest.mark.parametrize(
    ("score", "better", "expected"),
    [
        ((0.7, 0.6, 0.8, 0.5), "closer", 2),  # 0.2 beyond, 0.1 down to the interval's end
        ((0.7, 0.6, 0.8, 0.5), "lower", 2),
        ((0.7, 0.6, 0.8, 0.9), "higher", 2),
        ((0.7, 0.6, 0.8, 0.9), "closer", 2),
        ((0.7, 0.6, 0.8, 0.9), "lower", -2),
        ((0.7, 0.6, 0.8, 0.7), "lower", 0),
        ((0.1, 0.0, 0.9, 0.8), "lower", -7 / 8),  # the interval holds the reference: nobody can say better
        ((0.9, 0.1, 1.0, 0.2), "higher", -7 / 8),
        ((0.2, 0.1, 1.0, 0.9), "higher", 7 / 8),
        ((0.7, NAN, NAN, 0.5), "lower", 0),
        ((NAN, NAN, NAN, 0.5), "lower", -math.inf),
        ((0.7, 0.6, 0.8, NAN), "lower", -math.inf),
    ],
)
def test_how_bad_a_score_is(score, better, expected):
    assert rate(Score("x", *score), better) == pytest.approx(expected)


def test_attacks_stand_beside_what_they_find_on_copies(page):
    attacks = page.partition('id="attacks"')[2].partition("</section>")[0]
    assert 'aria-label="value 0.200, 95% interval 0.100 to 0.300, reference 0.900"' in attacks
    assert "caught</span>" in attacks and "inconclusive</span>" in attacks and "on copy" in attacks
    assert "Attacks and their controls" not in render_page(to_report(SCORES))


def test_what_was_not_measured_is_said(page):
    assert "Nothing of fairness was measured" in page and "no proof of privacy" in page


def test_a_report_without_scores_is_refused(report):
    with pytest.raises(ValueError, match="at least one Score"):
        render_page(report[:0])


def test_a_report_without_anything_but_nan_is_shown():
    page = render_page(
        to_report([Score("ks[a]", NAN, NAN, NAN, NAN), Score("dcr_share", NAN, NAN, NAN, NAN)])
    )
    assert "Could not be computed." in page and "nan" not in page.replace("nance", "")


# Parts


def test_markup_escapes_all_but_markup():
    assert tag("p", "<b>", Html("<i>x</i>"), None, [1, "&"], class_='a"b', hidden=True, id=None) == (
        '<p class="a&quot;b" hidden>&lt;b&gt;<i>x</i>1&amp;</p>'
    )
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'
    assert tag("line", x1=1) == '<line x1="1"/>'


@pytest.mark.parametrize(
    ("values", "ends"),
    [([0.03], (0, 0.05)), ([0.06, -0.3], (-0.5, 0.1)), ([0.0], (0, 0.01)), ([], (0, 0.01)), ([7], (0, 10))],
)
def test_scales_have_round_ends(values, ends):
    assert choose_scale(values) == pytest.approx(ends)


def test_a_strip_draws_what_is_known():
    strip = draw_strip(Score("x", 0.5, 0.25, 0.75, 0.5), (0.0, 1.0), 1.0)
    assert (
        'cx="50.00%"' in strip and 'x1="26.00%" x2="74.00%"' in strip and 'x1="98.00%" x2="98.00%"' in strip
    )
    assert 'aria-label="value 0.500, 95% interval 0.250 to 0.750, reference 0.500"' in strip
    assert draw_strip(Score("x", NAN, NAN, NAN, NAN)).count("class=") == 4  # axis, two ticks, itself
    assert 'cx="98.00%"' in draw_strip(Score("x", 3, NAN, NAN, NAN), (0.0, 1.0))  # the scale gives way


def test_numbers_are_written_for_people():
    assert [show(value) for value in (0.5, -0.0001, 0.0001, -0.25, NAN)] == [
        *("0.500", "0.000", "<0.001", "\u22120.250", "–")
    ]
    assert [show(value) for value in (999_999.0, -1e300, 2.5e6)] == [
        *("999999.000", "\u22121.00e300", "2.50e06")
    ]
    assert "\u22120.0617<" in draw_strip(Score("x", 0.5, -0.0617082, 0.9, 0.5), (0.0, 1.0))


# Colours


def luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrasts_are_those_of_wcag_aa(page):
    css = page.partition("<style>")[2].partition("</style>")[0]
    schemes = [
        dict(re.findall(r"--([\w-]+): (#\w{6})", block))
        for block in re.findall(r":root \{(.*?)\}", css, re.S)
    ]
    assert len(schemes) == 3  # light, dark, print
    for colours in schemes:
        for text in ("text", "muted", "link"):
            assert contrast(colours[text], colours["ground"]) >= 4.5
            assert contrast(colours[text], colours["card"]) >= 4.5
        for state in ("passed", "failed", "unsure", "none"):
            assert contrast(colours[state], colours[f"{state}-ground"]) >= 4.5
        for mark in ("real", "made", "limit"):
            assert contrast(colours[mark], colours["ground"]) >= 3
            assert contrast(colours[mark], colours["card"]) >= 3


# In a browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium found: install the package chromium")
def test_a_browser_shows_and_prints_it_without_a_complaint(page, tmp_path):
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    options += [
        f"--user-data-dir={tmp_path / 'profile'}",
        "--no-first-run",
        "--host-resolver-rules=MAP * ~NOTFOUND",
    ]
    url = (tmp_path / "page.html").as_uri()
    for wanted in (f"--screenshot={tmp_path / 'page.png'}", f"--print-to-pdf={tmp_path / 'page.pdf'}"):
        size = "--window-size=375,900"
        done = subprocess.run(
            [CHROMIUM, *options, size, wanted, url], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr[-500:]
        said = [line for line in done.stderr.splitlines() if "CONSOLE" in line or "Refused" in line]
        assert said == []
    assert (tmp_path / "page.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "page.pdf").read_bytes()[:5] == b"%PDF-"
