"""How near a synthetic table is to the real one: columns, pairs, whole rows, clinical relations."""
