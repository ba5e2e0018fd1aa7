"""Whether groups of patients are in the synthetic table, as faithful as others, and treated alike."""
