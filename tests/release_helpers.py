"""Writing a release of a study that `release_fixtures.made` made."""

import synthlib as sl
from synthlib.release import write_release

SECRET = bytes(range(32))
RARE = "Fibrodysplasia"
EXTREME = 987.65
NAMES = [f"Person{place:04}" for place in range(500)]


def write(path, made, **changes):
    _, train, _, _, model, synthetic, report, deidentification = made
    given = {"synthetic": synthetic, "train": train, "key": sl.StewardKey(SECRET), "seed": 5} | changes
    return write_release(path, model, report=report, deidentification=deidentification, **given)


def texts(bundle):
    return {name: bundle.path.joinpath(name).read_text() for name in [*bundle.files, "manifest.json"]}
