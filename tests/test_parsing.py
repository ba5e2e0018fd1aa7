"""JSON from strangers: read as json does, and refused where json would take the process down."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthlib.parsing import DEPTH_LIMIT, parse_json

ROOT = Path(__file__).parents[1]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_it_reads_what_json_reads(value, ascii_only):
    try:
        data = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:  # a lone surrogate that was not escaped
        return
    assert parse_json(data) == json.loads(data) == value


@given(st.text(alphabet='[]{}"\\,: a1\n', max_size=60))
def test_it_refuses_what_json_refuses(text):
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            parse_json(text.encode())
    else:
        assert parse_json(text.encode()) == expected


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_depth_is_limited(opening, closing):
    signs = len(opening.replace('"a":', ""))

    def nested(depth):
        return (opening * (depth // signs) + "1" + closing * (depth // signs)).encode()

    parse_json(nested(DEPTH_LIMIT))
    with pytest.raises(ValueError, match=f"at most {DEPTH_LIMIT} deep"):
        parse_json(nested(DEPTH_LIMIT + signs))


def test_brackets_in_text_are_not_depth():
    text = "[" * 1000 + '\\"' + "{" * 1000
    assert parse_json(f'["{text}"]'.encode()) == ["[" * 1000 + '"' + "{" * 1000]
    assert parse_json(b'["\\\\", [1]]') == ["\\", [1]]


def test_brackets_after_text_are_depth():
    with pytest.raises(ValueError, match="deep"):
        parse_json(b'["\\\\", ' + b"[" * 100_000)


def test_closing_brackets_do_not_pay_for_opening_ones():
    with pytest.raises(ValueError):
        parse_json(b"[" + b"]" * 200_000 + b"[" * 100_000 + b"]" * 100_000)


def test_a_process_with_a_raised_recursion_limit_survives_depth():
    """py-evm raises the limit; json.loads would then end the process by its stack."""
    program = (
        "import sys; sys.setrecursionlimit(10**7)\n"
        "from synthlib.parsing import parse_json\n"
        "try: parse_json(b'[' * 10**6)\n"
        "except ValueError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0
    assert "deep" in done.stdout


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b'\\"' * 500_000,  # one text that never ends
        b'"' + b"\\" * 1_000_001,
        b'"' * 1_000_001,
        b'""' * 500_000,
        b'"a' * 500_000,
        b"[" * 1_000_000,
        b'{"' * 500_000,
    ],
    ids=["escaped quotes", "backslashes", "quotes", "empty texts", "texts", "lists", "keys"],
)
def test_a_megabyte_of_nonsense_is_refused_in_seconds(data):
    start = time.process_time()
    with pytest.raises(ValueError):
        parse_json(data)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", "[1]".encode("utf-16"), "[1]".encode("utf-32"), b"\xef\xbb\xbf[1]", b"1" * 5000, b"[1]x"],
    ids=["empty", "no UTF-8", "UTF-16", "UTF-32", "BOM", "a number of 5000 digits", "more"],
)
def test_only_json_in_utf8_is_read(data):
    with pytest.raises(ValueError):
        parse_json(data)


def test_json_of_strangers():
    assert parse_json(b'{"a": "[[[[", "b\\"": [1]}') == {"a": "[[[[", 'b"': [1]}
    assert parse_json(b"[" * 64 + b"]" * 64)
    for data in (b"[" * 65 + b"]" * 65, b"", b"\xff", '"∀"'.encode("utf-16")):
        with pytest.raises(ValueError):
            parse_json(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Ada,36\n", "expected JSON, got something else in line 1, column 1"),
        (b'{"a": 1,\n "b" 2}', "in line 2, column 6"),
        (b"", "expected JSON"),
        (b"\xff\xfe{", "expected JSON in UTF-8, got another byte at place 0"),
    ],
)
def test_what_is_no_json_is_refused_in_words_of_our_own_that_quote_nothing(data, message):
    """So that the command line may show them: other libraries' texts may quote cells, and are not shown."""
    with pytest.raises(ValueError, match=message) as caught:
        parse_json(data)
    assert type(caught.value) is ValueError and "Ada" not in str(caught.value)
