"""The growth and determinism benchmarks on tiny tables."""

import numpy as np
import pandas as pd

from benchmarks import determinism, growth


def test_the_same_seed_makes_the_same_table():
    point = growth.Point("rows", 50, 7, 4)
    first, second, other = (
        growth.make_table(point),
        growth.make_table(point),
        growth.make_table(point, seed=1),
    )
    pd.testing.assert_frame_equal(first, second)
    assert first.shape == (50, 7)
    assert not first.equals(other)
    assert first["gaps_4"].isna().any()


def test_a_point_is_measured_once(tmp_path, monkeypatch):
    monkeypatch.setattr(growth, "POINTS", (growth.Point("rows", 120, 5),))
    options = ["--results", str(tmp_path / "growth.csv"), "--figures", str(tmp_path)]
    options += ["--models", "TabularGPT", "--epochs", "1"]
    assert growth.main(options) == 0
    rows = pd.read_csv(tmp_path / "growth.csv")
    assert len(rows) == 1 and "error" not in rows
    assert (rows[["cpu_s_per_1000_rows_seen", "fit_peak_mb", "sample_cpu_s", "sample_peak_mb"]] > 0).all(None)
    monkeypatch.setattr(growth, "run_worker", lambda task: 1 / 0)
    assert growth.main(options) == 0
    assert (tmp_path / "benchmark_growth.png").exists()


def test_a_setting_is_compared_with_the_first(tmp_path):
    path = tmp_path / "DETERMINISM.md"
    options = ["--models", "IndependentMarginals", "--rows", "100", "--markdown", str(path)]
    assert determinism.main([*options, "--settings", "reference: one thread;another process"]) == 0
    assert path.read_text().count("| equal | equal |") == 2


def test_a_difference_is_measured():
    first = {"fit": "a", "sample": "b", "cpu_s": 1.0, "weights": [np.zeros(2)]}
    other = {"fit": "c", "sample": "b", "cpu_s": 1.0, "weights": [np.array([0.0, 0.25])]}
    assert determinism.compare(first, first)["digest"] != determinism.compare(first, other)["digest"]
    assert determinism.compare(first, other)["largest difference"] == "2.5e-01"
    assert determinism.compare(first, other)["weights"] == "different"
