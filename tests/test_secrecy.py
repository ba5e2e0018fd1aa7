"""Secret randomness: its distribution, that it shows nowhere, and the sealed file for an auditor."""

import copy
import json
import pickle
import stat

import numpy as np
import pytest
from scipy.stats import kstest

import synthlib as sl
from synthlib.models.secrecy import SecretRandom

SECRET = bytes(range(32))


def test_numbers_have_their_distribution_and_differ_between_generators():
    random = SecretRandom()
    assert kstest(random.uniform(50_000), "uniform").pvalue > 1e-6
    assert kstest(random.normal((250, 200)).ravel(), "norm").pvalue > 1e-6
    assert 0 <= random.seed() < 2**63
    assert not np.array_equal(SecretRandom().uniform(9), SecretRandom().uniform(9))


@pytest.mark.parametrize("byte", [b"\xff", b"\x00"], ids=["highest", "lowest"])
def test_no_number_is_0_or_1_and_no_noise_infinite(byte):
    """A half that is added to 53 bits is rounded away, at the upper end to 1."""

    class Stream:
        def update(self, data):
            return byte * len(data)

    random = SecretRandom(SECRET)
    random._stream = Stream()
    assert 0 < random.uniform(1)[0] < 1 and 8 < abs(random.normal(1)[0]) < 9


def test_the_same_secret_gives_the_same_numbers_however_they_are_asked_for():
    one, other = SecretRandom(SECRET), SecretRandom(SECRET)
    assert np.array_equal(one.uniform((3, 4)).ravel(), np.concatenate([other.uniform(5), other.uniform(7)]))


def test_the_secret_shows_in_no_repr_pickle_or_copy():
    random = SecretRandom(SECRET)
    assert SECRET.hex() not in repr(random) and str(SECRET) not in repr(random)
    for write in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="secret"):
            write(random)
    with pytest.raises(ValueError, match="32 bytes"):
        SecretRandom(b"short")


def test_a_sealed_secret_replays_under_its_key_alone(tmp_path):
    key, other = sl.StewardKey(b"k" * 32), sl.StewardKey(b"o" * 32)
    random = SecretRandom()
    commitment = random.seal(tmp_path / "sealed.json", key)
    first = random.uniform(10)
    text = (tmp_path / "sealed.json").read_text()
    assert random._secret.hex() not in text and commitment in text
    assert stat.S_IMODE((tmp_path / "sealed.json").stat().st_mode) == 0o600
    replayed = SecretRandom.unseal(tmp_path / "sealed.json", key)
    assert np.array_equal(replayed.uniform(10), first) and replayed.commit(key) == commitment
    assert random.commit(other) != commitment != SecretRandom().commit(key)
    with pytest.raises(ValueError, match="sealed under this key"):
        SecretRandom.unseal(tmp_path / "sealed.json", other)
    with pytest.raises(FileExistsError, match="another file"):
        random.seal(tmp_path / "sealed.json", key)


def test_nothing_is_sealed_under_a_key_that_anybody_can_recompute(tmp_path):
    path = tmp_path / "sealed.json"
    with pytest.raises(ValueError, match="one for public data"):
        SecretRandom().seal(path, sl.StewardKey.for_public_data("support2"))
    assert not path.exists()


@pytest.mark.parametrize("field", ["commitment", "nonce", "sealed"])
def test_a_changed_file_is_refused(tmp_path, field):
    key, path = sl.StewardKey(b"k" * 32), tmp_path / "sealed.json"
    SecretRandom().seal(path, key)
    document = json.loads(path.read_text())
    first = document[field][0]
    document[field] = ("1" if first == "0" else "0") + document[field][1:]
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match="found something else"):
        SecretRandom.unseal(path, key)
