"""slither on contracts/, in an environment of its own: its web3 is older than the one synthlib uses.

    python tools/slither_check.py    make build/slither from contracts/tools/slither-requirements.txt

Every finding must be explained in contracts/slither.toml by detector and element; an explanation that no
finding needs any longer fails too. Findings in dependencies alone are left out: these are pinned and audited
elsewhere. A finding that touches our code as well is kept (slither's `filter-paths` would drop it), and
comments in the code that silence slither are ignored.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))

from contract_programs import (
    CONTRACTS,
    ROOT,
    CheckFailed,
    MissingProgram,
    environment,
    find_forge,
    run,
)

HOME = ROOT / "build" / "slither"
STAMP = HOME / "requirements.sha256"
REQUIREMENTS = CONTRACTS / "tools" / "slither-requirements.txt"
TRIAGE = CONTRACTS / "slither.toml"
OUT = "../build/foundry/slither"


class Finding(NamedTuple):
    """What slither says of one place.

    Attributes:
        detector: slither's name of the kind of finding, such as "timestamp".
        element: the place, the first in our code if there are several: `Contract.function(types)`,
            `Contract.variable`, `Contract`, `pragma VERSION`, or a file's path.
        text: slither's description.
    """

    detector: str
    element: str
    text: str


def is_ready() -> bool:
    """Whether build/slither is what the requirements say."""
    return STAMP.is_file() and STAMP.read_text() == _digest()


def prepare() -> None:
    """Make build/slither with uv from the hashes in the requirements, if it is not there already."""
    if is_ready():
        return
    STAMP.unlink(missing_ok=True)
    uv = [sys.executable, "-m", "uv", "--quiet"]
    install = ["pip", "install", "--python", str(HOME / "bin" / "python"), "--only-binary", ":all:"]
    for command in (
        ["venv", "--clear", "--no-project", "--python", sys.executable, str(HOME)],
        [*install, "--require-hashes", "--no-deps", "--requirements", str(REQUIREMENTS)],
    ):
        finished = subprocess.run([*uv, *command], capture_output=True, text=True)
        if finished.returncode:
            raise MissingProgram(f"slither could not be installed in build/slither: {finished.stderr[-600:]}")
    STAMP.write_text(_digest())


def _digest() -> str:
    return hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()


def read_triage() -> dict[tuple[str, str], str]:
    """Why each known finding, named by detector and element, may stay.

    Raises:
        CheckFailed: if an entry lacks its detector, element or a reason in words.
    """
    known = {}
    for entry in tomllib.loads(TRIAGE.read_text(encoding="utf-8")).get("accepted", []):
        values = [entry.get(name) for name in ("detector", "element", "why")]
        if set(entry) != {"detector", "element", "why"} or not all(
            isinstance(value, str) and value.strip() for value in values
        ):
            raise CheckFailed(f"{TRIAGE.name}: expected detector, element and why in each, got {entry}")
        known[values[0], values[1]] = values[2]
    return known


def list_complaints() -> list[str]:
    """Findings without an explanation and explanations without a finding; empty if there is neither."""
    return compare(analyse(), read_triage())


def compare(findings: Iterable[Finding], known: Mapping[tuple[str, str], str]) -> list[str]:
    """What `list_complaints` returns, from findings and explanations."""
    findings = list(findings)
    found = {(finding.detector, finding.element) for finding in findings}
    complaints = [
        f'unexplained: detector = "{finding.detector}", element = "{finding.element}"\n{finding.text}'
        for finding in findings
        if (finding.detector, finding.element) not in known
    ]
    gone = sorted(set(known) - found)
    return complaints + [
        f"slither.toml explains {detector} of {element}, which slither no longer finds; remove it"
        for detector, element in gone
    ]


def analyse() -> list[Finding]:
    """Everything slither finds in contracts/src.

    Raises:
        MissingProgram: if slither or forge is not installed.
        CheckFailed: if slither did not get to the end, or saw less than all contracts.
    """
    prepare()
    path = ":".join([str(HOME / "bin"), str(Path(find_forge()).parent), environment()["PATH"]])
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "slither.json"
        command = [str(HOME / "bin" / "slither"), ".", "--show-ignored-findings", "--fail-none"]
        command += ["--foundry-out-directory", f"{OUT}/out", "--json", str(report), "--disable-color"]
        settings = {"FOUNDRY_OUT": f"{OUT}/out", "FOUNDRY_CACHE_PATH": f"{OUT}/cache"}
        finished = run(command, PATH=path, **settings)
        if finished.returncode or not report.exists():
            raise CheckFailed(f"slither ended with {finished.returncode}: {finished.stderr[-2000:]}")
        content = json.loads(report.read_bytes())
    seen = re.search(r"analyzed \((\d+) contracts", finished.stdout + finished.stderr)
    ours = sum(
        len(re.findall(r"^(?:abstract )?(?:contract|interface|library) ", source.read_text(), re.MULTILINE))
        for source in CONTRACTS.glob("src/**/*.sol")
    )
    if not content["success"] or seen is None or int(seen[1]) < ours:
        raise CheckFailed(f"expected slither to analyse {ours} contracts or more: {finished.stderr[-600:]}")
    findings = [to_finding(each) for each in content["results"].get("detectors", [])]
    return [finding for finding in findings if finding is not None]


def to_finding(result: Mapping[str, Any]) -> Finding | None:
    """A Finding from an entry of slither's report, or None if it touches dependencies alone."""
    ours = [each for each in result["elements"] if not each["source_mapping"]["is_dependency"]]
    if result["elements"] and not ours:
        return None
    element = name_element(ours[0]) if ours else "contracts"
    return Finding(result["check"], element, result["description"].strip())


def name_element(element: Mapping[str, Any]) -> str:
    """The place that an element of a finding stands for; see `Finding`."""
    fields = element.get("type_specific_fields") or {}
    parent = fields.get("parent")
    if element["type"] == "node" and parent:
        return name_element(parent)
    if element["type"] in ("function", "variable", "event", "struct", "enum") and parent:
        return f"{parent['name']}.{fields.get('signature', element['name'])}"
    if element["type"] == "contract":
        return element["name"]
    if element["type"] == "pragma":
        return f"pragma {element['name']}"
    return element["source_mapping"]["filename_relative"]


if __name__ == "__main__":
    try:
        prepare()
    except MissingProgram as error:
        sys.exit(str(error))
