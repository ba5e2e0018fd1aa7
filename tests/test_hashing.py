"""The hashing benchmark on tiny tables and logs."""

import pandas as pd

from benchmarks import hashing


def test_every_measure_has_a_line(tmp_path, capsys):
    path = tmp_path / "hashing.csv"
    options = ["--rows", "40", "--entries", "0", "5", "--anchors", "3", "--folder", str(tmp_path)]
    assert hashing.main([*options, "--results", str(path)]) == 0
    results = pd.read_csv(path)
    assert list(results.columns) == list(hashing.Measure._fields)
    assert (results["value"] > 0).all()
    assert set(results["unit"]) == {"MB/s", "rows/s", "bytes", "ms"}
    assert results.groupby("size").size().to_dict() == {0: 7, 5: 7, 40: 9}
    assert "row tree with encoding and salts" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["hashing.csv"]


def test_the_table_is_as_a_release_is_read():
    table = hashing.make_table(30)
    assert table.shape == (30, 13)
    assert {type(cell) for cell in table["count_2"]} == {int}
    assert not table.equals(hashing.make_table(30, seed=1))
