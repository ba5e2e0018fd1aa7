"""A release's provenance in the W3C's words: entities, activities and agents, as PROV-JSON.

Confidential things are named and not described: the training table by its keyed commitment, the fitted model
by the release that was drawn from it. Only what the manifest and the record say is said.

Reference: W3C PROV-DM (2013); PROV-JSON, W3C Member Submission (2013).
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from prov.constants import PROV_LABEL, PROV_TYPE, PROV_VALUE
from prov.identifier import QualifiedName
from prov.model import PROV, ProvDocument

from synthlib.bundle import canonical_json
from synthlib.chain.facts import DEIDENTIFICATION, REPORT, SYNTHETIC, Facts, RecordFacts
from synthlib.chain.study import PROTOCOL_FILE
from synthlib.chain.verdict_facts import VerdictFacts

_URN = "urn:x-synthlib:"
_NAMES = {
    "synthlib": _URN,
    "sha256": "nih:sha-256;",
    "commitment": f"{_URN}commitment:hmac-sha-256:",
    "dataset": f"{_URN}dataset:",
    "protocol": f"{_URN}protocol:",
    "verdict": f"{_URN}verdict:",
    "software": f"{_URN}software:",
}


def to_prov(facts: Facts) -> ProvDocument:
    """A release's provenance.

    Entities are the training table, its dataset, the model and its parameters, the files, the release, its
    parents, the protocol and the record; activities are registration, de-identification, fit, sampling,
    evaluation, recording and auditors' verdicts; agents are the software and the pseudonyms of researcher,
    issuer and auditors. A withdrawn release is invalidated, as is a verdict that was taken back; a release
    that replaces another is its revision. The only times are those of blocks, where a public chain gave them.

    Args:
        facts: of the release.

    Returns:
        The document; `serialize(format="json")` gives PROV-JSON.
    """
    return _Provenance(facts).document


class _Provenance:
    """A document being filled; each method adds one chapter."""

    def __init__(self, facts: Facts):
        self.facts, self.document = facts, ProvDocument()
        for prefix, uri in _NAMES.items():
            self.document.add_namespace(prefix, uri)
        # Activities have no identifiers of their own: they are this release's.
        self.document.add_namespace("run", f"{_URN}release:{facts.digest}:")
        self.software = self._add_software()
        self.release = self._add_release()
        self.training = self._add_training()
        self.protocol = self._add_protocol()
        self._add_generation()
        if facts.record is not None:
            self._add_record(facts.record)
        for verdict in facts.verdicts:
            self._add_verdict(verdict)

    def _name(self, name: str) -> QualifiedName:
        return self.document.valid_qualified_name(name)

    def _add_software(self) -> QualifiedName:
        (name, version), *others = self.facts.software.items()
        told = {PROV_TYPE: PROV["SoftwareAgent"], PROV_LABEL: name}
        told |= {"synthlib:version": version} if version else {}
        told |= {f"synthlib:ranWith-{quote(other, safe='')}": found for other, found in others if found}
        agent = self._name(f"software:{name}")
        self.document.agent(agent, told)
        return agent

    def _add_release(self) -> QualifiedName:
        release = self._add_entity(
            f"sha256:{self.facts.digest}", "Release", "release: its manifest, which names every file's digest"
        )
        self.document.get_record(release)[0].add_asserted_type(PROV["Collection"])
        for name, described in sorted(self.facts.files.items()):
            member = self._add_entity(self._file(name), "File", name, {"synthlib:bytes": described["bytes"]})
            self.document.hadMember(release, member)
        for name, digest in sorted(self.facts.parents.items()):
            label = f"parent {name}: the Bundle whose manifest has this SHA-256"
            self.document.wasDerivedFrom(release, self._add_entity(f"sha256:{digest}", "Bundle", label))
        return release

    def _add_training(self) -> QualifiedName:
        """The table that was learnt from, confidential: an HMAC-SHA-256 under its steward's key names it."""
        commitment = self.facts.parameters["training_commitment"]
        label = "training table (confidential): known by its keyed commitment alone"
        training = self._add_entity(f"commitment:{commitment}", "TrainingTable", label)
        activity = self._add_activity("deidentification", "de-identification of the training table")
        self.document.wasGeneratedBy(training, activity)
        if DEIDENTIFICATION in self.facts.files:
            self.document.wasGeneratedBy(self._name(self._file(DEIDENTIFICATION)), activity)
        told = self.facts.protocol
        if told is not None:
            label = "dataset (confidential): its steward registered a keyed commitment to it under this id"
            dataset = self._add_entity(f"dataset:{told.dataset}", "Dataset", label)
            self.document.wasDerivedFrom(training, dataset)
            self.document.used(activity, dataset)
        return training

    def _add_generation(self) -> None:
        """Fit, sampling and evaluation, and what went in and came out."""
        told, protocol = self.facts.parameters, self.protocol
        model = self._add_entity(
            "run:model", "Model", f"fitted {told.get('model_type', 'model')} (confidential)"
        )
        attempt = {} if self.facts.protocol is None else {"synthlib:attempt": self.facts.protocol.attempt}
        fit = self._add_activity("fit", "training of the model", protocol, attempt)
        if protocol is not None:
            self.document.wasInformedBy(fit, self._name("run:registration"))
        self.document.used(fit, self.training)
        if "model" in told:
            settings = canonical_json(told["model"])
            parameters = self._add_entity(
                f"sha256:{hashlib.sha256(settings).hexdigest()}",
                "ModelParameters",
                "model parameters: the JSON in prov:value, which has this SHA-256",
                {PROV_VALUE: settings.decode()},
            )
            self.document.used(fit, parameters)
        self.document.wasGeneratedBy(model, fit)
        self.document.wasDerivedFrom(model, self.training)

        table = self._name(self._file(SYNTHETIC))
        drawn = {"synthlib:seed": told["seed"]} if isinstance(told.get("seed"), int) else {}
        drawn |= {} if self.facts.loss is None else {"synthlib:privacyLoss": self.facts.loss}
        sampling = self._add_activity("sampling", "drawing of the synthetic table", protocol, drawn)
        self.document.used(sampling, model)
        self.document.wasGeneratedBy(table, sampling)
        self.document.wasDerivedFrom(table, model)
        self.document.get_record(table)[0].add_attributes(
            {
                PROV_TYPE: self._name("synthlib:SyntheticTable"),
                "synthlib:canonicalDigest": told["synthetic_digest"],
            }
        )
        if REPORT in self.facts.files:
            evaluation = self._add_activity("evaluation", "evaluation of the synthetic table", protocol)
            self.document.used(evaluation, table)
            self.document.used(evaluation, self.training)
            self.document.wasGeneratedBy(self._name(self._file(REPORT)), evaluation)

    def _add_protocol(self) -> QualifiedName | None:
        """What was registered before the first attempt, by whom, and the file that says it in full."""
        told = self.facts.protocol
        if told is None:
            return None
        label = "protocol, registered before the first attempt"
        protocol = self._add_entity(f"protocol:{told.id}", "Protocol", label)
        self.document.get_record(protocol)[0].add_asserted_type(PROV["Plan"])
        researcher = self._add_account(told.researcher, "researcher")
        activity = self._add_activity("registration", "registration of the protocol", agent=researcher)
        self.document.wasGeneratedBy(protocol, activity)
        self.document.wasAttributedTo(protocol, researcher)
        if PROTOCOL_FILE in self.facts.files:
            self.document.alternateOf(self._name(self._file(PROTOCOL_FILE)), protocol)
        return protocol

    def _add_account(self, account: str, role: str) -> QualifiedName:
        """An account by its CAIP-10 identifier; researcher and issuer are one in a recorded release."""
        chain, _, address = account.rpartition(":")
        self.document.add_namespace("chain", f"{chain}:")
        name = self._name(f"chain:{address}")
        if not self.document.get_record(name):
            label = f"{role}: an account, whose owner the chain does not tell"
            self.document.agent(name, {PROV_LABEL: label, "synthlib:account": account})
        return name

    def _add_record(self, record: RecordFacts) -> None:
        """The transaction, who sent it, and whether the release was withdrawn."""
        self.document.add_namespace("transaction", f"{record.chain}:txn/")
        issuer = self._add_account(record.issuer, "issuer")
        told: dict[str, Any] = {f"synthlib:{name}": value for name, value in record.properties}
        told |= {
            "synthlib:chain": record.chain,
            "synthlib:isPublicChain": record.is_public,
            "synthlib:registry": record.registry,
            "synthlib:transaction": record.transaction,
            "synthlib:isSigned": record.is_signed,
        }
        name = "transaction:" + record.transaction.rpartition("/")[2]
        entity = self._add_entity(name, "Record", "record of the release on a chain", told)
        recording = self._add_activity("recording", "recording of the release", agent=issuer)
        self.document.used(recording, self.release)
        self.document.wasGeneratedBy(entity, recording, time=record.time)
        self.document.wasDerivedFrom(entity, self.release)
        self.document.wasAttributedTo(entity, issuer)
        if record.is_revoked:
            self._add_revocation(record, issuer)

    def _add_revocation(self, record: RecordFacts, issuer: QualifiedName) -> None:
        revocation = self._add_activity("revocation", "revocation of the release", agent=issuer)
        for entity in (self.release, self._name(self._file(SYNTHETIC))):
            self.document.wasInvalidatedBy(entity, revocation, time=record.revocation_time)
        if record.successor is not None:
            label = "the release that replaces this one"
            successor = self._add_entity(f"sha256:{record.successor}", "Release", label)
            self.document.wasRevisionOf(successor, self.release)

    def _add_verdict(self, verdict: VerdictFacts) -> None:
        """What an auditor said, by which rubric, with which report; both are known by their SHA-256 alone."""
        auditor = self._add_account(verdict.auditor, "auditor")
        told = {"synthlib:outcome": verdict.outcome, "synthlib:stands": verdict.is_standing}
        entity = self._add_entity(f"verdict:{verdict.id}", "Verdict", "an auditor's verdict", told)
        judging = self._add_activity(f"verdict-{verdict.id}", "audit of the release", agent=auditor)
        self.document.used(judging, self.release)
        self.document.used(judging, self._add_entity(f"sha256:{verdict.rubric}", "Rubric", "rubric"))
        report = self._add_entity(f"sha256:{verdict.report}", "AuditReport", "report of the audit")
        for made in (entity, report):
            self.document.wasGeneratedBy(made, judging, time=verdict.time)
            self.document.wasAttributedTo(made, auditor)
        self.document.wasDerivedFrom(entity, self.release)
        if not verdict.is_standing:
            label = "taking back of a verdict"
            ended = self._add_activity(f"verdict-{verdict.id}-revocation", label, agent=auditor)
            self.document.wasInvalidatedBy(entity, ended, time=verdict.revocation_time)

    def _add_entity(self, name: str, kind: str, label: str, told: dict | None = None) -> QualifiedName:
        identifier = self._name(name)
        if not self.document.get_record(identifier):  # two files may be the same bytes
            kinds = {PROV_TYPE: self._name(f"synthlib:{kind}"), PROV_LABEL: label}
            self.document.entity(identifier, kinds | (told or {}))
        return identifier

    def _add_activity(
        self,
        name: str,
        label: str,
        plan: QualifiedName | None = None,
        told: dict | None = None,
        agent: QualifiedName | None = None,
    ) -> QualifiedName:
        activity = self._name(f"run:{name}")
        self.document.activity(activity, other_attributes={PROV_LABEL: label} | (told or {}))
        self.document.wasAssociatedWith(activity, agent or self.software, plan)
        return activity

    def _file(self, name: str) -> str:
        return f"sha256:{self.facts.files[name]['digest']}"
