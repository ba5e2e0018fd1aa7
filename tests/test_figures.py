"""Figures: one look, the same bytes for the same tables, and no table that cannot be drawn."""

import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from conftest import make_cohort
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

import synthlib as sl
from synthlib.evaluation.fidelity.conditionals import compare_interventions
from synthlib.evaluation.fidelity.relations import clinical_relations
from synthlib.evaluation.usefulness.utility import predict_holdout
from synthlib.paper import figures
from synthlib.paper.style import STYLE, shorten


@pytest.fixture(scope="module")
def tables(cohort):
    return cohort[:450], cohort[450:], make_cohort(300, seed=1)


@pytest.fixture(scope="module")
def predictions(tables, cohort_schema):
    return predict_holdout(*tables, cohort_schema, np.random.default_rng(0))


@pytest.fixture(scope="module")
def history():
    steps = np.arange(1, 7) * 50
    return pd.DataFrame(
        {
            "step": steps,
            "generator_loss": 1.0 / steps,
            "moment_loss": 2.0 / steps,
            "critic_loss": -3.0 / steps,
            "validation": [0.4, 0.3, 0.2, 0.1, 0.2, 0.3],
        }
    )


@pytest.fixture(scope="module")
def report():
    rows = [
        ("marginal_accuracy_2way", 0.9, 0.88, 0.92, 0.95),
        ("c2st_boosting", 0.7, 0.66, 0.74, 0.5),
        ("tstr_auroc_boosting", 0.7, 0.6, 0.8, 0.8),
        ("membership_auroc", 0.52, 0.48, 0.56, 0.5),
        ("tstr_calibration_slope_boosting", np.nan, np.nan, np.nan, 1.0),
        ("ks[age]", 0.1, 0.05, 0.15, 0.08),
    ]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "reference"])


@pytest.fixture(scope="module")
def relations(tables, cohort_schema):
    return clinical_relations(*tables, cohort_schema, np.random.default_rng(0))


@pytest.fixture(scope="module")
def arms(tables):
    groups = {value: rows for value, rows in tables[0].groupby("group")}
    return compare_interventions(groups, groups, groups, "died")


@pytest.fixture(scope="module")
def draw(tables, cohort_schema, predictions, history, report, relations, arms):
    """Every figure by name."""
    train, _, synthetic = tables
    return {
        "plot_cohort": lambda: figures.plot_cohort(train, cohort_schema),
        "marginals": lambda: figures.marginals(*tables, cohort_schema),
        "qq_plots": lambda: figures.qq_plots(*tables, cohort_schema),
        "association_heatmaps": lambda: figures.association_heatmaps(train, synthetic, cohort_schema),
        "roc_and_calibration": lambda: figures.roc_and_calibration(predictions),
        "training_curves": lambda: figures.training_curves(history),
        "headline_scores": lambda: figures.headline_scores(report, "a generator"),
        "comparison": lambda: figures.comparison({"one": report, "another": report}),
        "comorbidity_structure": lambda: figures.comorbidity_structure(relations),
        "conditioning_and_intervention": lambda: figures.conditioning_and_intervention(
            {"one": arms, "another": arms}
        ),
    }


NAMES = [
    *("plot_cohort", "marginals", "qq_plots", "association_heatmaps"),
    *("roc_and_calibration", "training_curves", "headline_scores", "comparison"),
    *("comorbidity_structure", "conditioning_and_intervention"),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("error")
def test_the_same_tables_give_the_same_bytes(name, draw, tmp_path):
    before = dict(matplotlib.rcParams)
    contents = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        figure = draw[name]()
        assert isinstance(figure, Figure)
        assert figures.save(figure, name, folder) == folder / f"{name}.pdf"
        assert sorted(path.name for path in folder.iterdir()) == [f"{name}.pdf", f"{name}.png"]
        contents.append([(folder / f"{name}.{kind}").read_bytes() for kind in ("pdf", "png")])
    assert contents[0] == contents[1]
    assert contents[0][0].startswith(b"%PDF") and contents[0][1].startswith(b"\x89PNG")
    assert b"CreationDate" not in contents[0][0]
    assert dict(matplotlib.rcParams) == before
    assert pyplot.get_fignums() == []


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaves_the_page_and_no_title_covers_another(name, draw):
    figure = draw[name]()
    with matplotlib.rc_context(STYLE):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        drawn, (width, height) = figure.get_tightbbox(canvas.get_renderer()), figure.get_size_inches()
        titles = [
            text.get_window_extent() for text in figure.findobj(Text) if text.get_text() in _headings(figure)
        ]
    assert min(drawn.x0, drawn.y0) > -0.01
    assert drawn.x1 < width + 0.01 and drawn.y1 < height + 0.01
    for place, one in enumerate(titles):
        assert not any(one.overlaps(other) for other in titles[place + 1 :])


def _headings(figure):
    found = {axes.get_title("left") for axes in figure.axes} | {figure.get_suptitle()}
    return found - {""}


def test_colours_mean_the_same_everywhere(draw):
    roc = draw["roc_and_calibration"]().axes[0]
    colours = {line.get_label().partition(":")[0]: to_hex(line.get_color()) for line in roc.get_lines()}
    assert colours["train"].upper() == figures.REAL
    assert colours["synthetic"].upper() == figures.SYNTHETIC
    scores = draw["headline_scores"]().axes[0].get_lines()
    assert {
        line.get_marker(): to_hex(line.get_markeredgecolor()).upper()
        for line in scores
        if line.get_marker() in "oD"
    } == {
        "o": figures.SYNTHETIC,
        "D": figures.REAL,
    }


def test_roc_shows_the_auroc_of_the_predictions():
    # of the pairs of an event and a survivor, 3 of 4 are in order
    rows = {
        "truth": [0, 0, 1, 1],
        "learner": "logistic",
        "trained_on": "train",
        "probability": [0.1, 0.4, 0.35, 0.8],
    }
    both = pd.concat([pd.DataFrame(rows), pd.DataFrame(rows | {"trained_on": "synthetic"})])
    axes = figures.roc_and_calibration(both).axes[0]
    curve = next(line for line in axes.get_lines() if line.get_label().startswith("train: 0.750"))
    assert curve.get_xydata().tolist() == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]


def test_marginals_show_the_worst_columns_first(tables, cohort_schema):
    train, holdout, synthetic = tables
    wrong = synthetic.assign(lab=synthetic["lab"] + 5)
    drawn = figures.marginals(train, holdout, wrong, cohort_schema, num_columns=2)
    assert drawn.axes[0].get_title("left") == "lab"
    assert len(drawn.axes) == 2
    chosen = figures.marginals(*tables, cohort_schema, columns=["died", "age"])
    assert [axes.get_title("left") for axes in chosen.axes] == ["died", "age"]


def test_marginals_show_missing_rates(cohort, cohort_schema):
    complete = cohort.assign(lab=cohort["lab"].fillna(1.0))
    drawn = figures.marginals(cohort, cohort, complete, cohort_schema, columns=["lab"])
    shown = [text.get_text() for text in drawn.axes[0].texts]
    assert shown == [f"missing {cohort['lab'].isna().mean():.0%}", "0%"]


def test_no_axis_shows_a_single_patients_extreme(cohort, cohort_schema):
    extreme = cohort.assign(lab=cohort["lab"].where(cohort.index != 3, 99.0))
    for drawn in (
        figures.marginals(extreme, cohort, cohort, cohort_schema, columns=["lab"]),
        figures.qq_plots(extreme, cohort, cohort, cohort_schema, columns=["lab"]),
        figures.plot_cohort(extreme, cohort_schema, columns=["lab"]),
    ):
        assert drawn.axes[0].get_xlim()[1] < 20


def test_bins_of_whole_numbers_hold_equally_many(cohort, cohort_schema):
    drawn = figures.plot_cohort(cohort, cohort_schema, columns=["age"])
    edges = drawn.axes[0].patches[0].get_data().edges
    assert set(np.diff(edges)) == {round(edges[1] - edges[0])}
    assert edges[0] % 1 == 0.5


def test_unknown_columns_are_refused(tables, cohort_schema):
    with pytest.raises(ValueError, match="got weight"):
        figures.marginals(*tables, cohort_schema, columns=["weight"])


def test_qq_needs_a_number(tables, cohort_schema):
    with pytest.raises(ValueError, match="numeric column"):
        figures.qq_plots(*tables, cohort_schema, columns=["disease"])


@pytest.mark.filterwarnings("error")
def test_broken_synthetic_tables_are_drawn(tables, cohort_schema, tmp_path):
    train, holdout, synthetic = tables
    broken = synthetic.assign(lab=np.nan, disease="measles", age=60, died=None)
    for name, figure in {
        "marginals": figures.marginals(train, holdout, broken, cohort_schema),
        "qq": figures.qq_plots(train, holdout, broken, cohort_schema),
        "associations": figures.association_heatmaps(train, broken, cohort_schema),
    }.items():
        figures.save(figure, name, tmp_path)


@pytest.mark.filterwarnings("error")
def test_every_kind_of_column_is_drawn(tiny, tiny_schema, tmp_path):
    for name, figure in {
        "cohort": figures.plot_cohort(tiny, tiny_schema),
        "marginals": figures.marginals(tiny, tiny, tiny, tiny_schema),
        "qq": figures.qq_plots(tiny, tiny, tiny, tiny_schema),
        "associations": figures.association_heatmaps(tiny, tiny, tiny_schema),
    }.items():
        figures.save(figure, name, tmp_path)


def test_dollars_are_no_formulas(tmp_path):
    table = pd.DataFrame({"income $": ["$11-$25k", "under $11k"] * 10, "age": range(20)})
    schema = sl.Schema.infer(table, kinds={"age": "integer"})
    drawn = figures.marginals(table, table, table, schema, columns=["income $"])
    figures.save(drawn, "dollars", tmp_path)
    assert [label.get_text() for label in drawn.axes[0].get_yticklabels()] == [r"\$11-\$25k", r"under \$11k"]


def test_training_curves_mark_the_step_that_was_kept(history):
    drawn = figures.training_curves(history)
    titles = [axes.get_title("left") for axes in drawn.axes]
    assert titles == ["losses", "moment loss", "validation"]
    assert [text.get_text() for text in drawn.axes[-1].texts] == ["kept: step 200"]


def test_training_without_validation_is_drawn(history):
    drawn = figures.training_curves(history.assign(validation=np.nan))
    assert [axes.get_title("left") for axes in drawn.axes] == ["losses", "moment loss"]
    with pytest.raises(ValueError, match="got step"):
        figures.training_curves(history[["step"]])


def test_likelihoods_share_a_panel_with_independent_columns():
    history = pd.DataFrame(
        {"step": [10, 20], "nats": [9.0, 7.0], "validation": [8.5, 8.0], "independent": [12.0, 12.0]}
    )
    (axes,) = figures.training_curves(history).axes
    assert axes.get_title("left") == "nats a record"
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["training", "validation", "independent columns"]
    assert [text.get_text() for text in axes.texts] == ["kept: step 20"]


def test_scores_that_are_not_there_are_refused(report):
    with pytest.raises(ValueError, match="without any headline"):
        figures.headline_scores(report[report["metric"] == "ks[age]"])
    with pytest.raises(ValueError, match="got 0 reports"):
        figures.comparison({})


def test_comparison_leaves_out_what_a_report_lacks(report):
    other = report[report["metric"] != "tstr_auroc_boosting"]
    drawn = figures.comparison({"one": report, "another": other})
    assert len(drawn.axes) == 4


@pytest.mark.parametrize("name", ["", "figures/03", "03.pdf", "../03"])
def test_save_takes_bare_names(name, tmp_path):
    with pytest.raises(ValueError, match="bare name"):
        figures.save(Figure(), name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_save_writes_into_the_workspace(monkeypatch, tmp_path):
    monkeypatch.setenv("SYNTHLIB_WORKSPACE", str(tmp_path))
    assert figures.save(Figure(), "03_training") == tmp_path / "figures" / "03_training.pdf"
    assert (tmp_path / "figures" / "03_training.png").exists()


def test_shorten():
    assert shorten("short", 5) == "short"
    assert shorten("rather long", 7) == "rather…"
    assert shorten("$5") == r"\$5"


def test_a_script_without_a_display_draws(tmp_path):
    program = (
        "import pandas as pd\n"
        "from synthlib.paper import figures\n"
        "history = pd.DataFrame({'step': [1, 2], 'critic_loss': [3.0, 1.0]})\n"
        f"figures.save(figures.training_curves(history), 'curve', {str(tmp_path)!r})\n"
    )
    root = Path(__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env={"PATH": "", "HOME": str(tmp_path)},
        capture_output=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "curve.pdf").exists()


def test_comorbidity_names_what_disagrees_most(tables, cohort_schema):
    train, holdout, _ = tables
    broken = train.assign(lab=train["lab"].where(train["disease"] != "sepsis", 1.0))
    found = clinical_relations(train, holdout, broken, cohort_schema, np.random.default_rng(0))
    drawn = figures.comorbidity_structure(found)
    first = drawn.axes[3].get_yticklabels()[0].get_text()
    assert first.startswith("lab if disease=") and first.endswith("  1")


def test_comorbidity_without_odds_or_without_anything(relations):
    shifts = relations[relations["kind"] == "shift"]
    assert len(figures.comorbidity_structure(shifts).axes) == 2
    with pytest.raises(ValueError, match="got none"):
        figures.comorbidity_structure(relations.iloc[:0])


def test_interventions_without_truth_are_drawn(arms):
    known = arms.drop(columns=[name for name in arms if name.startswith("intervened")])
    drawn = figures.conditioning_and_intervention({"a cohort": known})
    labels = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert [label.partition(":")[0] for label in labels] == ["conditioning", "standardisation"]
    with pytest.raises(ValueError, match="got none"):
        figures.conditioning_and_intervention({})
