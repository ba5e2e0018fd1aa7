"""synthlib: synthetic patient data whose protocol, attempts and releases anyone can check.

The names below load what they need on first use: `import synthlib` is quick and imports no TensorFlow.
"""

from importlib import import_module

_HOMES = {
    "Bundle": "bundle",
    "BundleError": "bundle",
    "Finding": "bundle",
    "StewardKey": "keys",
    "Column": "columns",
    "Schema": "schema",
    "SchemaError": "columns",
    "Inequality": "rules",
    "Combinations": "rules",
    "OnlyIf": "rules",
    "Formula": "rules",
    "find_dependencies": "dependencies",
    "Score": "scores",
    "read_table": "data.tables",
    "write_table": "data.tables",
    "load_support2": "data.cohorts",
    "support2_schema": "data.cohorts",
    "support2_rules": "data.cohorts",
    "simulate_cohort": "data.simulation",
    "load_mimic": "data.mimic",
    "deidentify": "data.deidentification",
    "split": "splitting",
    "IndependentMarginals": "models.synthesizer",
    "PrivateMarginals": "models.marginals",
    "TabularGAN": "models.gan",
    "TabularGPT": "models.gpt",
    "PrivateTabularGPT": "models.private_gpt",
    "PrivateTabularGAN": "models.private_gan",
    "load_synthesizer": "models.synthesizer",
    "evaluate": "evaluation.report",
    "select": "selection",
    "Selection": "selection",
    "Ledger": "chain.registry",
    "record_bundle": "chain.recording",
    "preregister": "preregistration",
    "fit_attempt": "preregistration",
    "sample_attempt": "preregistration",
    "Protocol": "chain.protocols",
    "Study": "chain.study",
    "verify": "chain.verification",
}

__all__ = sorted(_HOMES)
__version__ = "0.1.0"


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module 'synthlib' has no attribute {name!r}")
    value = getattr(import_module(f"synthlib.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
