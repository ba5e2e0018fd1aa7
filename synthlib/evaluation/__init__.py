"""How far a synthetic table can stand in for the real one, and what it gives away.

Every metric is a pure function `metric(train, holdout, synthetic, schema, rng)` that returns a Score, or a
list of them when it speaks of many columns. No metric sees a model.
"""
