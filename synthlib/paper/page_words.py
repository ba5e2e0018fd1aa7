"""What the page says beside numbers: what nobody tested, and what words mean."""

LIMITS = (
    "An attack that finds nothing shows that this attack finds nothing. It is no proof of privacy; only a "
    "release that claims differential privacy, and keeps to it, bounds what any attack can learn.",
    "The scores are of one synthetic table, from one training on one split of the patients. Intervals "
    "hold for the drawing of patients, not for another training.",
    "What holds for all patients together may not hold for small groups: few patients of a group make "
    "every score of it uncertain.",
    "What a treatment does cannot be read off a synthetic table: who was treated was not drawn by lot.",
    "No synthetic patient is a real one. Nothing here is fit to decide about a single patient.",
    "When thresholds were declared does not stand in this file. Where a protocol is registered, synthlib "
    "verify shows that it came before the training.",
)
GLOSSARY = {
    "95% interval": "Were patients drawn anew many times, about 95 of 100 such intervals would hold the "
    "true value. A wide one means: too few patients to tell.",
    "AUROC": "How well a score ranks: the chance that a patient with the event is ranked above one "
    "without. 0.5 is a coin, 1 is perfect.",
    "Brier score": "Mean squared difference between predicted risk and what happened; 0 is perfect.",
    "Calibration": "Whether of those told a risk of 20% about 20 in 100 have the event.",
    "Control (positive control)": "The same attack where there is something to find: on a table of "
    "copies. If it is not caught there, its finding nothing elsewhere says nothing.",
    "Distance (KS, total variation)": "How far apart two distributions are: 0 the same, 1 nothing in common.",
    "Fairness": "Whether a model serves groups alike, such as women and men. Differences that real data "
    "teach too are the reference.",
    "Holdout": "Patients set aside at the start. The generator never saw them; what they score in the "
    "synthetic table's place is what perfect synthetic patients would score.",
    "Linkability": "Whether two parts of a record, held by different people, can be put together through "
    "the synthetic table.",
    "Membership attack": "An attempt to tell from the synthetic table whether a certain patient was in "
    "the training table.",
    "Reference": "What to read a value against: the holdout's score, or chance where there is none.",
    "Singling out": "Finding a description that fits exactly one patient of the training table.",
    "Synthetic table": "Rows drawn from a model that learnt from real patients.",
    "Threshold": "A limit that the study's protocol set before anything was trained.",
    "Train (training table)": "The real patients that the generator learnt from.",
    "Train on synthetic, test on real": "A prediction model is learnt from synthetic patients and tried "
    "on real ones, beside the same model learnt from real ones.",
}
