"""The vault: files and Bundles kept encrypted, and their keys handed over under agreements in force.

    vault = Vault("s3://bucket/vault", owner=VaultKey.open("vault.key"), gate=gate, options={…})
    address = vault.put(Bundle.open("releases/first"), dataset)
    grant = vault.hand_over(address, agreement_id, grantees_public_key)      # recorded on the chain first
    Vault("s3://bucket/vault").fetch(address, open_grant(grant, my_key), "first", grant.dataset)  # grantee's

An object is one sealed file or Bundle (sealing.py, packing.py), tied to the dataset whose agreements open it
(handing_over.py). Under `ab/`, the first two digits of its
address:

    <address>.sealed      the object; its SHA-256 is the address
    <address>.key         its data key, wrapped to the vault's owner (wrapping.py)
    <address>.erased      the certificate, once it was erased

`put` writes the key and then the object; `erase` deletes the key and then the object. So an object without a
key is one whose key was destroyed, and a key without an object is what a `put` that did not end left behind;
`sweep` removes the latter. Whoever stops in between leaves nothing that can be read.

What this cannot do:

- *Take a key back.* Who once had a data key, or the files, keeps them whatever the agreement says later.
  Therefore every object has a key of its own, so that one grant opens one object; a grant is made only while
  its agreement is in force, so that later deliveries stop; and each is on the chain before any key is
  unwrapped.
- *Delete better than the store.* A copy in a backup, a replica, a snapshot or on flash storage is out of
  reach. If the wrapped key survives there, whoever has it and the owner's private key can read what survives
  of the object. The owner's private key, destroyed, ends all objects at once.
- *Watch the owner.* Who holds the owner's private key reads everything, and no record says so.
- *Forget keys in memory.* Python cannot overwrite them; a process's memory may hold them until it ends.
- *Hide sizes*, the number of objects, and which of them are files and which Bundles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synthlib.bundle import Bundle
from synthlib.chain.erasure import Erasure
from synthlib.chain.errors import ChainError
from synthlib.chain.handing_over import Gate, deny, permit
from synthlib.chain.packing import pack
from synthlib.chain.restoring import restore
from synthlib.chain.sealing import (
    BUNDLE,
    FILE,
    SEGMENT_SIZE,
    DataKey,
    SealError,
    check_key,
    plain_id,
    read_header,
    seal,
)
from synthlib.chain.store import Reading, Store, StoreError
from synthlib.chain.wrapping import (
    Grant,
    VaultKey,
    WrappedKey,
    check_public_key,
    unwrap_for_owner,
    wrap_for_grantee,
    wrap_for_owner,
)

_KINDS = {FILE: "file", BUNDLE: "Bundle"}
_OBJECT = re.compile(r"[0-9a-f]{2}/([0-9a-f]{64})\.(sealed|key|erased)")


class VaultError(ChainError):
    """A vault that cannot do what it was asked."""


class NotStored(VaultError):
    """There is no such object in the vault."""


class KeyDestroyed(VaultError):
    """The object was erased: nobody can read it again."""


class Vault:
    """Sealed objects in a store, and who may have their keys.

    Args:
        url: a local folder, or a URL that fsspec knows (`memory://`, `s3://`, …).
        owner: the owner's VaultKey; or its public key, with which objects can be put and no key unwrapped; or
            None, which is enough to fetch with a key that was handed over.
        gate: the agreements on the chain, where accesses and denials are recorded. Without one, nothing is
            handed over.
        options: fsspec's storage options. They are shown nowhere.
    """

    def __init__(
        self,
        url: Path | str,
        owner: VaultKey | bytes | None = None,
        gate: Gate | None = None,
        options: Mapping[str, Any] | None = None,
    ):
        if isinstance(owner, bytes):
            check_public_key(owner)
        self._owner, self.gate, self.store = owner, gate, Store(url, options)

    def __repr__(self) -> str:
        return f"Vault({self.store!r})"

    def put(self, source: Bundle | Path | str, dataset: str, segment_size: int = SEGMENT_SIZE) -> str:
        """Seal a file, or a Bundle with its `ledger/`, under a key drawn for it.

        A file's name is not kept. Putting the same thing twice gives two objects.

        Args:
            source: the path of a file or of a Bundle, or a Bundle (as one with keyed digests must be).
            dataset: id of the dataset that it is of, on the registry: 64 hexadecimal digits. An agreement on
                another one never opens it.
            segment_size: plaintext bytes that are encrypted at a time.

        Returns:
            The address, 64 hexadecimal digits.

        Raises:
            FileNotFoundError: if there is no such file.
            BundleError: if the folder is not what its manifest describes.
            StoreError: if the store does not take it; then nothing of it can be read there.
            ValueError: if `dataset` is no id.
        """
        dataset = plain_id(dataset)
        public_key = self._owner.public_key if isinstance(self._owner, VaultKey) else self._owner
        if public_key is None:
            raise VaultError("expected a vault with its owner's key, or public key, to put something in")
        if not isinstance(source, Bundle) and Path(source).is_dir():
            source = Bundle.open(source)
        is_bundle = isinstance(source, Bundle)
        chunks = pack(source) if is_bundle else _read_chunks(Path(source), segment_size)
        with self.store.stage() as staged:
            sealed = seal(chunks, staged, dataset, BUNDLE if is_bundle else FILE, segment_size)
            wrapped = wrap_for_owner(sealed.data_key, sealed.address, dataset, public_key)
            self.store.write(_name(sealed.address, "key"), wrapped.to_json())
            self.store.publish(staged, _name(sealed.address, "sealed"))
        return sealed.address

    def data_key(self, address: str) -> DataKey:
        """An object's key, for the vault's owner. Nothing is recorded; to give it away, use `hand_over`.

        Raises:
            NotStored, KeyDestroyed: if there is none.
            WrongKey: if the owner's key does not unwrap it, or it is another object's or dataset's.
        """
        if not isinstance(self._owner, VaultKey):
            raise VaultError(
                "expected a vault with its owner's private key; open it with owner=VaultKey.open(…)"
            )
        with self._open(address) as source:
            header = read_header(source)
        try:
            wrapped = WrappedKey.from_json(self.store.read(_name(address, "key")))
        except FileNotFoundError:
            raise self._absence(address) from None
        data_key = unwrap_for_owner(wrapped, address, header.dataset, self._owner)
        check_key(header, data_key)
        return data_key

    def hand_over(self, address: str, agreement: str, recipient_public_key: bytes) -> Grant:
        """Wrap an object's key to a grantee, after the access was recorded on the chain.

        What is refused is recorded there as a denial before it is raised; where even that fails, the error
        has a note. Call it again whenever it is not known whether it went through: no access comes twice.

        Args:
            address: the object's.
            agreement: id of the agreement on the chain.
            recipient_public_key: the grantee's, whose SHA-256 the agreement was accepted with.

        Returns:
            The Grant, which only the grantee can open.

        Raises:
            ContractError: what the chain refuses with (not in force, erased); a denial was recorded.
            OtherDataset: if the object is of another dataset than the agreement; a denial was recorded.
            NotAccepted: if the agreement was accepted with another public key; a denial was recorded.
            KeyDestroyed: if the object was erased; a denial was recorded.
            ChainError: if there is no such agreement, or the chain does not answer; no key was unwrapped.
            WrongKey: if the store holds another key, or a changed header; nothing left.
            NotStored: if there is no such object; nothing was recorded.
            ValueError: if the public key is none; nothing was recorded.
        """
        if self.gate is None or not isinstance(self._owner, VaultKey):
            raise VaultError(
                "expected a vault with its owner's private key and a gate to the chain to hand over"
            )
        check_public_key(recipient_public_key)
        try:
            with self._open(address) as source:
                dataset = read_header(source).dataset
        except KeyDestroyed as refusal:
            agreed = self.gate.open(agreement)
            deny(self.gate, refusal, agreement, address, agreed.dataset, agreed.grantee)
            raise
        access = permit(self.gate, agreement, address, dataset, recipient_public_key)
        data_key = self.data_key(address)  # of a header that says this dataset, or it would not unwrap
        grantee = str(access.grantee)
        return wrap_for_grantee(data_key, address, dataset, agreement, grantee, recipient_public_key)

    def fetch(
        self, address: str, data_key: DataKey, destination: Path | str, dataset: str | None = None
    ) -> Path:
        """Decrypt an object into a file or a Bundle's folder that its owner alone can read.

        Nothing is at `destination` before all of it was checked (restoring.py).

        Args:
            address: the object's.
            data_key: its key.
            destination: where nothing is yet.
            dataset: id of the dataset that it must be of, such as a Grant's; any if None. The key opens it as
                one of its own dataset alone, whatever is given here.

        Returns:
            `destination`.

        Raises:
            FileExistsError: if something is there already.
            NotStored, KeyDestroyed: if there is nothing to be read.
            OtherDataset: if it is of another dataset.
            WrongKey: if the key is another object's.
            SealError: if the object is not as it was sealed.
        """
        destination = Path(destination)
        if destination.exists() or destination.is_symlink():
            raise FileExistsError(f"expected nothing at {destination}, found something; choose another place")
        with self._open(address) as source:
            destination.parent.mkdir(parents=True, exist_ok=True)
            restore(source, address, data_key, destination, dataset)
        return destination

    def erase(self, address: str, when: str | None = None) -> Erasure:
        """Destroy an object's key, then the object. It can be repeated until it succeeds.

        Args:
            address: the object's.
            when: to be written into the certificate, such as a block's number or a date.

        Returns:
            The certificate, which also stays in the store. An object erased before gives its first one.

        Raises:
            NotStored: if there is no such object.
            StoreError: if the store does not delete; then repeat it.
        """
        key, sealed, erased = (_name(address, ending) for ending in ("key", "sealed", "erased"))
        found = self.store.size(erased) is not None
        erasure = Erasure.from_json(self.store.read(erased)) if found else None
        if erasure is not None and erasure.address == address:  # another's certifies nothing of this one
            self._delete(key, overwrite=True)  # where a backup brought it back
        else:
            num_bytes = self.store.size(sealed)
            if num_bytes is None:
                raise self._absence(address)
            what = f"{self._kind(address)}, {num_bytes} bytes sealed"
            gone = "" if self._has(address, "key") else "found gone, then "
            how = (
                f"wrapped data key {gone}{self._delete(key, overwrite=True)}; sealed object deleted after it"
            )
            erasure = Erasure(address, what, when, how)
            self.store.write(erased, erasure.to_json())
        self._delete(sealed)
        return erasure

    def find_dataset(self, address: str) -> str | None:
        """The dataset that an object's header says, 64 hexadecimal digits; None if no header can be read."""
        try:
            with self.store.open(_name(address, "sealed")) as source:
                return read_header(source).dataset
        except (FileNotFoundError, SealError):
            return None

    def addresses(self) -> list[str]:
        """Addresses of the objects that can be read by who has the key."""
        return sorted(address for address, ages in self._list().items() if set(ages) == {"sealed", "key"})

    def sweep(self, older_than: float = 86_400) -> int:
        """Remove what interrupted calls left: temporary files, keys without objects, objects already erased.

        An object without key and certificate stays: `erase` ends what began there.

        Args:
            older_than: seconds; what is younger may belong to a `put` that is still at work.

        Returns:
            How many files were removed.
        """
        count = self.store.sweep_staged(older_than)
        for address, ages in self._list().items():
            erased, alone = "erased" in ages, set(ages) == {"key"}
            for ending in ("key", "sealed"):
                if ages.get(ending, -1) >= older_than and (erased or alone):
                    self._delete(_name(address, ending), overwrite=ending == "key")
                    count += 1
        return count

    def _list(self) -> dict[str, dict[str, float]]:
        """Address → ending → age in seconds. Whatever else lies in the store is left alone."""
        found: dict[str, dict[str, float]] = {}
        for name, age in self.store.names():
            if match := _OBJECT.fullmatch(name):
                found.setdefault(match[1], {})[match[2]] = age
        return found

    def _require(self, address: str) -> None:
        """That an object and its key are there, and that it was not erased: a backup may bring it back."""
        if self._has(address, "erased") or not (self._has(address, "sealed") and self._has(address, "key")):
            raise self._absence(address)

    def _open(self, address: str) -> Reading:
        self._require(address)
        try:
            return self.store.open(_name(address, "sealed"))
        except FileNotFoundError:  # deleted a moment ago
            raise self._absence(address) from None

    def _absence(self, address: str) -> VaultError:
        """Why an object cannot be read."""
        has_key = self._has(address, "key")
        if self._has(address, "erased") or (self._has(address, "sealed") and not has_key):
            return KeyDestroyed(
                f"{address}: cannot be read: key destroyed; who still has the data may put it again"
            )
        self.store.require()
        hint = "its put did not end; put it again" if has_key else "check the address and the vault's URL"
        return NotStored(f"{address}: expected an object in {self.store}, found none; {hint}")

    def _has(self, address: str, ending: str) -> bool:
        return self.store.size(_name(address, ending)) is not None

    def _kind(self, address: str) -> str:
        try:
            with self.store.open(_name(address, "sealed")) as source:
                return _KINDS[read_header(source).content]
        except SealError:
            return "unreadable object"

    def _delete(self, name: str, overwrite: bool = False) -> str:
        how = self.store.delete(name, overwrite)
        if self.store.size(name) is not None:
            raise StoreError(f"expected {name} to be gone from {self.store}, it is still there; try again")
        return how


def _name(address: str, ending: str) -> str:
    if not isinstance(address, str) or not re.fullmatch("[0-9a-f]{64}", address):
        raise ValueError("expected an address of 64 hexadecimal digits, got something else")
    return f"{address[:2]}/{address}.{ending}"


def _read_chunks(path: Path, size: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(size):
            yield chunk
