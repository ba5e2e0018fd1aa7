"""A release in the ecosystem's own formats: an RO-Crate with W3C PROV and Croissant metadata.

Nobody needs synthlib to read it: `docs/formats.md` says which file answers which question. The release itself
lies unchanged in the crate's `release/`, so that `verify` still takes it.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import secrets
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from synthlib.bundle import LEDGER_FOLDER, MANIFEST, Bundle, BundleError, canonical_json, replace_folder
from synthlib.chain.crate import CROISSANT, METADATA, PROVENANCE, RELEASE, describe, list_exported, to_crate
from synthlib.chain.croissant import to_croissant
from synthlib.chain.errors import ChainError
from synthlib.chain.evidence import read_plain
from synthlib.chain.facts import SYNTHETIC, Facts, read_facts
from synthlib.chain.prov_export import to_prov
from synthlib.chain.registry import JOURNAL, RECORD
from synthlib.chain.verdict_facts import read_verdicts

_log = logging.getLogger(__name__)


def export_release(
    path: Path | str,
    destination: Path | str,
    license: str | None = None,
    keywords: Iterable[str] = (),
    name: str | None = None,
    published: str | None = None,
    rpc: str | None = None,
) -> Path:
    """Write a release as an RO-Crate that holds W3C PROV and Croissant metadata.

    The folder gets `ro-crate-metadata.json`, `provenance.json`, `croissant.json` and, in `release/`, the
    release's files as they are with its `ledger/`. The same release and arguments give the same bytes. What
    is written is what the folder says: of a release that was revoked later, or whose record is forged, only
    `verify` with the chain at hand knows. Auditors' verdicts are the exception: of a release on a node they
    are asked for there, if its URL is given; of one on the in-process chain they are in its journal.

    The only times are the block's and `published`. RO-Crate requires a date of publication: where neither a
    public chain nor `published` gives one, it is left out, with a warning in the log.

    Args:
        path: the release's folder, or its bare name in the workspace's `bundles/`.
        destination: folder to write; one that holds an earlier export is replaced.
        license: URL (`https://spdx.org/licenses/CC-BY-4.0`) or text; None says that none is stated.
        keywords: for finding it.
        name: title; "Synthetic patient table" and the start of the release's digest if None.
        published: ISO 8601 date or time; the day of the block on a public chain if None.
        rpc: URL of the node on which it is recorded, to be asked for auditors' verdicts.

    Returns:
        The folder.

    Raises:
        BundleError: if the release is not what its manifest says.
        ChainError: if its `ledger/` speaks of something else, or was changed; or the node does not answer.
        FileExistsError: if `destination` holds anything that is no earlier export's.
        ValueError: if it is no release, one of the folders lies in the other, or `published` is no date.
    """
    bundle = Bundle.open(path)
    facts = read_facts(bundle)
    facts = replace(facts, verdicts=read_verdicts(bundle, rpc))
    destination = _check_destination(Path(destination).resolve(), bundle.path.resolve())
    title = name or f"Synthetic patient table {facts.digest[:12]}"
    words = [keywords] if isinstance(keywords, str) else list(keywords)
    published = _find_date(facts, published)
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.partial")
    partial.mkdir()
    try:
        files = {f"{RELEASE}/{file}": told for file, told in _copy_release(bundle, partial / RELEASE).items()}
        croissant = to_croissant(
            facts, f"{RELEASE}/{SYNTHETIC}", title, describe(facts), license, words, published
        )
        for file, document in ((PROVENANCE, _to_json(facts)), (CROISSANT, croissant)):
            data = canonical_json(document)
            (partial / file).write_bytes(data)
            files[file] = (len(data), hashlib.sha256(data).hexdigest())
        crate = to_crate(facts, files, title, license, words, published)
        (partial / METADATA).write_bytes(canonical_json(crate))
        replace_folder(partial, destination)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return destination


def _to_json(facts: Facts) -> dict:
    """PROV-JSON; relations are numbered in the order in which they were said."""
    text = io.StringIO()
    to_prov(facts).serialize(text, format="json")
    return json.loads(text.getvalue())


def _find_date(facts: Facts, published: str | None) -> str | None:
    if published is not None:
        try:
            date.fromisoformat(published[:10])
            datetime.fromisoformat(published)
            if published[4] != "-":  # Python reads 20260131 too, other readers may not
                raise ValueError
        except (ValueError, TypeError):
            raise ValueError("published: expected an ISO 8601 date such as 2026-01-31, got none") from None
        return published
    if facts.record is not None and facts.record.time is not None:
        return facts.record.time[:10]
    _log.warning(
        "no date of publication is known, and RO-Crate requires one: give published= "
        "(--published DAY), or record the release on a public chain"
    )
    return None


def _copy_release(bundle: Bundle, target: Path) -> dict[str, tuple[int, str]]:
    """Copy what a release publishes and nothing else of its folder; size and SHA-256 of each file."""
    ledger = [f"{LEDGER_FOLDER}/{name}" for name in (MANIFEST, RECORD, JOURNAL)]
    expected = {name: told["digest"] for name, told in bundle.manifest["files"].items()}
    expected[MANIFEST] = bundle.digest
    copied: dict[str, tuple[int, str]] = {}
    for name in [*expected, *(name for name in ledger if (bundle.path / name).exists())]:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if name in expected:
            copied[name] = _copy_file(bundle.path / name, target / name)
        else:
            data = _read_ledger(bundle.path / name)
            (target / name).write_bytes(data)
            copied[name] = (len(data), hashlib.sha256(data).hexdigest())
    changed = [name for name, digest in expected.items() if copied[name][1] != digest]
    if changed:
        raise BundleError(f"{', '.join(changed)}: changed while it was copied; export the release again")
    return copied


def _read_ledger(path: Path) -> bytes:
    try:
        return read_plain(path)
    except (OSError, ValueError) as error:
        raise ChainError(
            f"expected a plain file at {LEDGER_FOLDER}/{path.name}, found none that can be read "
            f"({type(error).__name__}); record the release again, which completes it"
        ) from None


def _copy_file(source: Path, target: Path) -> tuple[int, str]:
    hasher, size = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("wb") as writer:
        while chunk := reader.read(1 << 20):
            hasher.update(chunk)
            size += writer.write(chunk)
    return size, hasher.hexdigest()


def _check_destination(destination: Path, release: Path) -> Path:
    if destination.is_relative_to(release) or release.is_relative_to(destination):
        raise ValueError(
            f"expected a destination neither in the release nor around it, got {destination}; choose another"
        )
    foreign = _list_foreign(destination)
    if foreign:
        shown = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise FileExistsError(
            f"expected nothing or an earlier export at {destination}, found {shown}; choose another folder"
        )
    return destination


def _list_foreign(destination: Path) -> list[str]:
    """What stands at the destination and is no part of an earlier export."""
    if not destination.exists() and not destination.is_symlink():
        return []
    if not destination.is_dir():
        return ["a file"]
    found = {
        file.relative_to(destination).as_posix()
        for file in destination.rglob("*")
        if file.is_symlink() or not file.is_dir()
    }
    if METADATA not in found or (destination / METADATA).is_symlink():
        return sorted(found)
    ours = list_exported((destination / METADATA).read_bytes())
    return sorted(found if ours is None else found - ours)
