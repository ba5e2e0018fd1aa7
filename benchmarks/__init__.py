"""Our generators beside other people's on open cohorts: fit, draw, score, table, figure. See README.md.

Not part of the library: nothing in synthlib imports this package, and no wheel holds it.
"""
