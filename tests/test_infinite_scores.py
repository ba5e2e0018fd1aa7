"""A report whose scores are infinite is none: a threshold would call it better than the best."""

import pytest

from synthlib.chain.gate_evidence import _read_report


@pytest.mark.parametrize("cell", ["-inf", "inf", "-Infinity", "1e999"])
@pytest.mark.parametrize("place", range(4))
def test_infinite_scores_are_refused(tmp_path, cell, place):
    cells = ["0.0"] * 4
    cells[place] = cell
    (tmp_path / "report.csv").write_text(f"metric,value,low,high,reference\nexact_copies,{','.join(cells)}\n")
    with pytest.raises(ValueError, match="infinite"):
        _read_report(tmp_path)


def test_empty_cells_stay_missing(tmp_path):
    (tmp_path / "report.csv").write_text("metric,value,low,high,reference\nexact_copies,0.0,,,\n")
    assert _read_report(tmp_path).iloc[0, 2:].isna().all()
