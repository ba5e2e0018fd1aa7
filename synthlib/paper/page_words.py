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
SETTING_WORDS = {
    "attacks": "attacks were made:",
    "max_targets": "most patients asked about on either side:",
    "seed": "seed:",
}
CONCLUSIONS = (
    " Caught: told from a table that leaks nothing, at 5% over all attacks. Not caught: it is not, and a "
    "copy of the training table is; of leaks as small as those it is blind to this says nothing. "
    "Inconclusive: not even the copy was caught, or rows that leak nothing were. Beside the copy each attack "
    "was made on fresh patients with a few of those asked about copied in (leak), on the training table with "
    "every value moved a little (perturbed), and on fresh patients alone."
)
GLOSSARY = {
    "95% interval": "Were patients drawn anew many times, about 95 of 100 such intervals would hold the "
    "true value. A wide one means: too few patients to tell.",
    "Amplification": "How much more unlike a model learnt from synthetic patients serves groups than one "
    "learnt from real patients; 0 is no more. Where it names no attribute it is the mean, or the worst.",
    "AUROC": "How well a score ranks: the chance that a patient with the event is ranked above one "
    "without. 0.5 is a coin, 1 is perfect.",
    "Brier score": "Mean squared difference between predicted risk and what happened; 0 is perfect.",
    "Blind to": "Known leaks that an attack does not notice here.",
    "Calibration": "Whether of those told a risk of 20% about 20 in 100 have the event. Slope: 1 is right, "
    "below it risks are too extreme. Intercept: 0 is right, below it risks are too high on the whole.",
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
    "p value": "How often chance alone would show as much, if nothing leaked.",
    "R²": "Share of the differences between patients that a model explains: 1 is all, 0 none; below 0 it "
    "does worse than the mean.",
    "Reference": "What to read a value against: the holdout's score, or chance where there is none.",
    "SDMetrics": "A library by other authors that scores synthetic tables: how alike single columns and "
    "pairs of them are, 1 at best. It does not look at leakage.",
    "Singling out": "Finding a description that fits exactly one patient of the training table.",
    "Synthetic table": "Rows drawn from a model that learnt from real patients.",
    "Threshold": "A limit that the study's protocol set before anything was trained.",
    "Train (training table)": "The real patients that the generator learnt from.",
    "Train on synthetic, test on real": "A prediction model is learnt from synthetic patients and tried "
    "on real ones, beside the same model learnt from real ones.",
}
