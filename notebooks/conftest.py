"""How nbval compares these notebooks: everything exactly, but for what a trained model's floats decide.

The bits of a training differ between CPU models. A cell whose output depends on them says how far its
numbers may move with a tag: `tolerance=0.05` (absolute) or `tolerance=10%` (of the stored number); with
both, the wider one counts. Its words, and the number of its numbers, are compared exactly like all else.
Where such floats decide the words themselves (which attack is caught, which group is worst), the cell is
tagged `words=vary`: what it asserts is held, and the kinds of its outputs; what they say is not compared.
What a library writes to stderr (warnings, progress, clocks) is not output and is left out.
"""

import re

import pytest

# a number that stands by itself: not the 2 of "SUPPORT2", not the digits of a hexadecimal digest
NUMBER = re.compile(
    r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?(?!\w|\.\d)", re.IGNORECASE
)


WORDS_VARY = "words=vary"


def pytest_itemcollected(item):
    if type(item).__name__ != "IPyNbCell":
        return
    item.parent.skip_compare = tuple(dict.fromkeys((*item.parent.skip_compare, "stderr")))
    tags = item.cell.metadata.get("tags", [])
    tolerance = WORDS_VARY if WORDS_VARY in tags else read_tolerance(tags)
    if tolerance is not None:
        compare = item.compare_outputs
        item.compare_outputs = lambda computed, stored: compare(settle(computed, stored, tolerance), stored)


def read_tolerance(tags):
    """(absolute, relative) from a cell's tags, None if it has none."""
    given = [tag.partition("=")[2].strip() for tag in tags if tag.startswith("tolerance")]
    if not given:
        return None
    try:
        absolute = max((float(text) for text in given if not text.endswith("%")), default=0.0)
        relative = max((float(text[:-1]) / 100 for text in given if text.endswith("%")), default=0.0)
    except ValueError:
        raise pytest.UsageError(f"expected a tag like tolerance=0.05 or tolerance=10%, got {tags}") from None
    return absolute, relative


def settle(computed, stored, tolerance):
    """The computed outputs, with the stored text wherever the two agree within the tolerance."""
    if [output.output_type for output in computed] != [output.output_type for output in stored]:
        return computed
    for new, old in zip(computed, stored, strict=True):
        if new.output_type == "stream" and new.name == old.name and agree(new.text, old.text, tolerance):
            new.text = old.text
        for kind, text in new.get("data", {}).items():
            if isinstance(text, str) and agree(text, old.data.get(kind), tolerance):
                new.data[kind] = old.data[kind]
    return computed


def agree(computed, stored, tolerance):
    """Whether two texts are the same words, and their numbers lie within the tolerance of each other."""
    if tolerance == WORDS_VARY:
        return isinstance(stored, str)
    if not isinstance(stored, str) or _words(computed) != _words(stored):
        return False
    absolute, relative = tolerance
    return all(
        abs(new - old) <= max(absolute, relative * abs(old)) + 1e-12
        for new, old in zip(_numbers(computed), _numbers(stored), strict=True)
    )


def _words(text):
    return " ".join(NUMBER.sub(" # ", text).split())


def _numbers(text):
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]
