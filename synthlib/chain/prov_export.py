"""A release's provenance in the W3C's words: entities, activities and agents, as PROV-JSON.

Confidential things are named and not described: the training table by its keyed commitment, the fitted model
by the release that was drawn from it. Only what the manifest and the record say is said.

Reference: W3C PROV-DM (2013); PROV-JSON, W3C Member Submission (2013).
"""

from __future__ import annotations

import hashlib
from typing import Any

from prov.constants import PROV_LABEL, PROV_TYPE, PROV_VALUE
from prov.identifier import QualifiedName
from prov.model import PROV, ProvDocument

from synthlib.bundle import canonical_json
from synthlib.chain.facts import DEIDENTIFICATION, REPORT, SYNTHETIC, Facts, RecordFacts

_URN = "urn:x-synthlib:"
_NAMES = {
    "synthlib": _URN,
    "sha256": "nih:sha-256;",
    "commitment": f"{_URN}commitment:hmac-sha-256:",
    "protocol": f"{_URN}protocol:",
    "software": f"{_URN}software:",
}


def to_prov(facts: Facts) -> ProvDocument:
    """A release's provenance.

    Entities are the training table, the model and its parameters, the files, the release, its parents, and on
    a chain the protocol and the record; activities are de-identification, fit, sampling, evaluation and
    recording; agents are the software and the issuer's pseudonym. A revoked release is invalidated. The one
    time in it is that of the block, where a public chain gave one.

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
        self._add_generation()
        if facts.record is not None:
            self._add_record(facts.record)

    def _name(self, name: str) -> QualifiedName:
        return self.document.valid_qualified_name(name)

    def _add_software(self) -> QualifiedName:
        (name, version), *others = self.facts.software.items()
        told = {PROV_TYPE: PROV["SoftwareAgent"], PROV_LABEL: name}
        told |= {"synthlib:version": version} if version else {}
        told |= {f"synthlib:ranWith-{other}": found for other, found in others}
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
        record = self.facts.record
        if record is not None and record.dataset not in (None, commitment):
            label = "dataset (confidential): known by its keyed commitment alone"
            dataset = self._add_entity(f"commitment:{record.dataset}", "Dataset", label)
            self.document.wasDerivedFrom(training, dataset)
            self.document.used(activity, dataset)
        return training

    def _add_generation(self) -> None:
        """Fit, sampling and evaluation, and what went in and came out."""
        told = self.facts.parameters
        protocol = self._add_protocol()
        model = self._add_entity(
            "run:model", "Model", f"fitted {told.get('model_type', 'model')} (confidential)"
        )
        fit = self._add_activity("fit", "training of the model", protocol)
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
        seed = {"synthlib:seed": told["seed"]} if isinstance(told.get("seed"), int) else {}
        sampling = self._add_activity("sampling", "drawing of the synthetic table", protocol, seed)
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
        record = self.facts.record
        if record is None or record.protocol is None:
            return None
        protocol = self._add_entity(f"protocol:{record.protocol}", "Protocol", "protocol, recorded before")
        self.document.get_record(protocol)[0].add_asserted_type(PROV["Plan"])
        return protocol

    def _add_record(self, record: RecordFacts) -> None:
        """The transaction, who sent it, and whether the release was withdrawn."""
        self.document.add_namespace("chain", f"{record.chain}:")
        self.document.add_namespace("transaction", f"{record.chain}:txn/")
        issuer = self._name("chain:" + record.issuer.rpartition(":")[2])
        label = "issuer: an account, whose owner the chain does not tell"
        self.document.agent(issuer, {PROV_LABEL: label, "synthlib:account": record.issuer})
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
            revocation = self._add_activity("revocation", "revocation of the release", agent=issuer)
            self.document.wasInvalidatedBy(self.release, revocation)
            self.document.wasInvalidatedBy(self._name(self._file(SYNTHETIC)), revocation)

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
