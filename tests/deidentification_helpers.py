"""Tables of harmless columns and one more, and a report's row about it."""

import numpy as np
import pandas as pd

from synthlib import Schema

NUM_ROWS = 40


def with_column(name, values, **arguments):
    """A table of harmless columns and one more, with its inferred Schema."""
    table = pd.DataFrame({"severity": np.arange(NUM_ROWS) % 5, "dose": np.arange(NUM_ROWS) / 4, name: values})
    return table, Schema.infer(table, **arguments)


def with_text(values):
    """The same with a text column `remark` whatever it holds: a Schema written by hand, not inferred."""
    table, schema = with_column("remark", ["a", "b"] * (NUM_ROWS // 2))
    table["remark"] = pd.Series(values, dtype=object)
    return table, schema.replace("remark", categories=tuple(dict.fromkeys(values)))


def row_of(report, name):
    (row,) = report[report["column"] == name].to_dict("records")
    return row
