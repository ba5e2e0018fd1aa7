"""What a synthetic table is good for: models, conclusions, survival, case studies, each beside real rows."""
