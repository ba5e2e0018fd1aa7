"""Every figure that people look at. A function returns a matplotlib figure; `save` writes it to figures/.

Real patients are blue, synthetic ones orange, the holdout grey, everywhere.
"""

from synthlib.paper.attack_figures import attacks_and_controls, group_fairness, worst_attacks
from synthlib.paper.ledger_figures import OFF_CHAIN, REFUSED, Message, gas, sequence
from synthlib.paper.relation_figures import comorbidity_structure, conditioning_and_intervention
from synthlib.paper.score_figures import comparison, headline_scores, roc_and_calibration, training_curves
from synthlib.paper.style import HOLDOUT, REAL, SYNTHETIC, save
from synthlib.paper.table_figures import association_heatmaps, marginals, plot_cohort, qq_plots
from synthlib.paper.use_figures import case_studies, coefficients

__all__ = [
    "HOLDOUT",
    "OFF_CHAIN",
    "REAL",
    "REFUSED",
    "SYNTHETIC",
    "Message",
    "association_heatmaps",
    "attacks_and_controls",
    "case_studies",
    "coefficients",
    "comorbidity_structure",
    "comparison",
    "conditioning_and_intervention",
    "gas",
    "group_fairness",
    "headline_scores",
    "marginals",
    "plot_cohort",
    "qq_plots",
    "roc_and_calibration",
    "save",
    "sequence",
    "training_curves",
    "worst_attacks",
]
