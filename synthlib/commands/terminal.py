"""What the command line shows: results on stdout, progress and errors on stderr, a table's cells nowhere."""

from __future__ import annotations

import dis
import json
import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any

from synthlib.parsing import printable

if TYPE_CHECKING:
    import pandas as pd

    from synthlib.bundle import Finding
    from synthlib.chain.records import Record
    from synthlib.gate import Verdict

STAGES = ("read", "de-identify", "split", "register", "train", "sample", "evaluate", "write")
VERDICTS = {0: "yes: all that is recorded holds", 1: "no: something is not as recorded", 2: "could not tell"}
MARKS = {"matched": "ok", "differs": "DIFFERS", "unchecked": "not checked"}
SAYS = "says"  # instead of "ok" where a finding repeats what somebody thinks
PATIENCE = 10.0  # seconds between two signs of life while a transaction is on its way
INTERRUPTED = 130
GATE_FAILED = 3  # of `evaluate --gate`
HERE = str(Path(__file__).parents[1])


def run(app: Callable[..., Any], arguments: list[str]) -> int:
    """Call a Typer app and return its exit code: 2 after an error, which becomes a line or two on stderr.

    With `--debug` among the arguments the error is raised instead, and libraries may warn.
    """
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if not debug and not sys.warnoptions:
        warnings.simplefilter("ignore")  # a library's warning may quote cells
    try:
        code = app([word for word in arguments if word != "--debug"], standalone_mode=False)
    except Exception as error:
        if debug:
            raise
        if text := explain(error):  # none where click has printed the help instead
            say(f"error: {text}")
        return 2
    if code == INTERRUPTED:
        say("interrupted; nothing was half-written")
    return code if isinstance(code, int) else 0


def explain(error: Exception) -> str:
    """What the user is told. Texts of other libraries may quote cells of a confidential table: not them."""
    if hasattr(error, "format_message"):  # a wrong way to call the command
        context = getattr(error, "ctx", None)
        text, hint = error.format_message(), "--help lists what can be given"
        return f"{text}\n({context.command_path} {hint})" if text and context else text
    places = []
    trace = error.__traceback__
    while trace is not None:
        places.append((trace.tb_frame.f_code, trace.tb_lasti))
        trace = trace.tb_next
    ours = [code for code, _ in places if code.co_filename.startswith(HERE)]
    if ours and places[-1][0] is ours[-1] and _is_raise(*places[-1]):
        return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror + (f": {error.filename}" if error.filename else "")
    place = f" in {Path(ours[-1].co_filename).stem}.{ours[-1].co_name}" if ours else ""
    return f"unexpected {type(error).__name__}{place}\n(--debug shows all of it, which may quote the table)"


def _is_raise(code: CodeType, position: int) -> bool:
    """Whether a `raise` stands there: what compiled code raises has its caller's frame."""
    return dis.opname[code.co_code[position]] == "RAISE_VARARGS"


def say(line: str) -> None:
    """Write a line to stderr; names of files and columns in it may be a stranger's."""
    print("\n".join(map(printable, line.split("\n"))), file=sys.stderr, flush=True)


def say_stage(name: str, detail: str) -> None:
    """Say which of the stages of `synthesize` begins."""
    say(f"[{STAGES.index(name) + 1}/{len(STAGES)}] {name}: {detail}")


def say_key(path: Path, is_new: bool) -> None:
    """Say under which key the release's commitment was made."""
    if not is_new:
        say(f"committed under the key that was in {path}")
        return
    say(
        f"new key of the data's steward: {path}\n"
        "  Keep it, and keep it secret: it alone can show later which table was learnt from, and who has it\n"
        "  can check guesses at that table. Never put it into the release."
    )


def show_deidentification(report: pd.DataFrame) -> None:
    """A line for each column that was not kept as it is."""
    changed = report[report["action"] != "kept"]
    print(f"de-identification: {len(report) - len(changed)} columns kept, {len(changed)} not")
    width = max((len(name) for name in changed["column"]), default=0)
    for row in changed.itertuples():
        looks = f" ({row.class_name}, {row.seen})" if row.class_name else ""
        print(f"  {row.column:<{width}}  {row.action}: {row.reason}{looks}")


def show_report(report: pd.DataFrame) -> None:
    """The scores to read first, each under the question that it answers."""
    from synthlib.evaluation.report import summarise

    summary = summarise(report)
    width = max(len(name) for name in summary["metric"])
    print("evaluation: value, 95% interval, and what real patients score")
    for row in summary.itertuples():
        unknown = row.low != row.low  # NaN: too few rows to tell
        interval = "(unknown)" if unknown else f"({row.low:.3f} to {row.high:.3f})"
        print(f"  {row.question}")
        print(f"      {row.metric:<{width}}  {row.value:6.3f}  {interval:18}  real {row.reference:.3f}")
    for note in report.attrs.get("notes", []):
        say(f"note: {note}")


def show_claim(claim: dict[str, Any]) -> None:
    """What a release claims, and what the claim does not cover."""
    print(
        f"differential privacy: epsilon {claim['epsilon']:.4g}, delta {claim['delta']:.2g} for one "
        f"{claim['unit']} ({claim['adjacency']})"
    )
    for line in claim["not_covered"]:
        print(f"  not covered  {line}")


def show_gate(verdict: Verdict) -> None:
    """Each threshold, what was measured, and the verdict."""
    print("thresholds:")
    width = max(len(one["outcome"]) for one in verdict.results)
    for one in verdict.results:
        measured = f" ({one['measured']})" if one["measured"] not in ("", one["target"]) else ""
        print(f"  {one['outcome']:<{width}}  {one['target']}{measured}: {one['limit']}; {one['detail']}")
    for said in verdict.differing:
        print(f"  evaluated otherwise than declared: {said}")
    told = "" if verdict.standing != "inconclusive" else " (inconclusive: nothing is shown to be missed)"
    print(f"gate: {verdict.outcome}{told}")


def show_record(record: Record, in_process: bool) -> None:
    """A record's fields that say something."""
    for name, value in record._asdict().items():
        if name in ("reason", "revocation_time", "successor") and not record.revoked:
            continue
        if name in ("failed", "gate") and not record.failed:
            continue
        if name == "time":
            value = "not known: the in-process chain has no clock" if in_process else _utc(value)
        if name == "spend":
            value = f"{value} millionths" if record.is_private else "no claim to differential privacy"
        print(f"{name:16} {printable(str(value))}")


@contextmanager
def whoever_reads() -> Iterator[None]:
    """Print to whoever reads: a reader that left, such as `head`, must not change the exit code."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is flushed at the end


def show_findings(findings: list[Finding], code: int, caveat: str = "") -> None:
    """A line for each finding, and the verdict, with what must be said beside a yes."""
    for found in findings:
        mark = SAYS if found.subject.startswith("verdict ") else MARKS[found.verdict]
        print(f"{mark:12} {found.subject}: {found.detail}")
    print(f"yes: {caveat}" if caveat and code == 0 else _conclude(findings, code))


def _conclude(findings: list[Finding], code: int) -> str:
    """The verdict in words; whether a release stands is told apart from whether it is what was recorded."""
    from synthlib.chain.history import RECORDED, STANDING
    from synthlib.chain.verification import verdict

    states = {found.subject for found in findings if found.verdict == "differs"} & {RECORDED, STANDING}
    rest = [found for found in findings if found.subject not in states]
    if code != 1 or verdict(rest) == 1:
        return VERDICTS[code]
    state = "does not stand" if STANDING in states else "was not yet recorded then"
    if verdict(rest) == 0:
        return f"no: it is what was recorded, but it {state}"
    return f"no: it {state}; whether it is what was recorded could not be told"


@contextmanager
def waiting(what: str, place: str) -> Iterator[None]:
    """Say what is being sent, and what happens to it until blocks hold it."""
    say(f"{what}: sending to {place}, waiting for its block")
    is_over, log = threading.Event(), logging.getLogger("synthlib.chain")

    def tell() -> None:
        seconds = 0.0
        while not is_over.wait(PATIENCE):
            seconds += PATIENCE
            say(f"  still waiting for {place} ({seconds:.0f} s)")

    handler, level = _Teller(logging.INFO), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        log.removeHandler(handler)
        log.setLevel(level)


class _Teller(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        say(f"  {record.getMessage()}")


def confirm(question: str, yes: bool) -> None:
    """Ask before what cannot be undone.

    Raises:
        ValueError: if nobody can be asked, or the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise ValueError(f"{question}: expected --yes, as this cannot be undone and nobody can be asked here")
    say(f"{question}: this cannot be undone. Type yes to go on:")
    if sys.stdin.readline().strip().lower() != "yes":
        raise ValueError("expected yes, got another answer; nothing was done")


def show_fields(fields: dict[str, Any], as_json: bool = False, millionths: Iterable[str] = ()) -> None:
    """A line for each field, or a JSON object; in a line, which are `millionths` is said."""
    with whoever_reads():
        if as_json:
            print(json.dumps(fields, indent=1))
            return
        width = max((len(name) for name in fields), default=0)
        units = dict.fromkeys(millionths, " millionths")
        for name, value in fields.items():
            told = ", ".join(value) if isinstance(value, (list, tuple)) else value
            print(f"{name:<{width}}  {told}{units.get(name, '')}")


def show_rows(rows: Iterable[dict[str, Any]], as_json: bool, nothing: str) -> None:
    """A table of a line for each row, or a JSON list; `nothing` is said where there is none."""
    rows = list(rows)
    with whoever_reads():
        if as_json:
            print(json.dumps(rows, indent=1))
            return
        if not rows:
            print(nothing)
            return
        widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0]}
        print("  ".join(f"{name:<{width}}" for name, width in widths.items()).rstrip())
        for row in rows:
            print("  ".join(f"{row[name]!s:<{width}}" for name, width in widths.items()).rstrip())


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
