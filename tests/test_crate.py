"""RO-Crate: valid by its own validator, and every file is described."""

import hashlib
import logging
from urllib.parse import unquote

import pytest
from export_helpers import DATE, LICENSE, make_odd, read_graph, read_json, read_tree, validate_crate
from rocrate.rocrate import ROCrate
from rocrate_validator.models import Severity

from synthlib.bundle import canonical_json
from synthlib.chain.crate import NO_LICENSE
from synthlib.chain.export import export_release

pytest_plugins = ["chain_fixtures", "export_fixtures"]


def test_the_crate_is_valid_and_lacks_only_what_a_release_does_not_know(public, tmp_path):
    folder = export_release(public.path, tmp_path / "out", license=LICENSE, keywords=["sepsis", "synthetic"])
    assert validate_crate(folder) == []
    recommended = validate_crate(folder, Severity.RECOMMENDED)
    assert len(recommended) == 2 and "`author`" in recommended[0] and "`publisher`" in recommended[1]


def test_a_crate_of_odd_columns_and_files_is_valid_too(tmp_path):
    folder = export_release(make_odd(tmp_path / "odd").path, tmp_path / "out", published=DATE, keywords="odd")
    assert validate_crate(folder) == []
    assert "release/more/notes%20%C3%BC%20100%25.txt" in read_graph(folder)


def test_without_a_date_the_crate_misses_it_and_the_log_says_so(recorded_bundle, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        folder = export_release(recorded_bundle.path, tmp_path / "out")
    assert "published=" in caplog.text
    (issue,) = validate_crate(folder)
    assert "datePublished" in issue


def test_a_broken_crate_is_found_by_the_validator(recorded_bundle, tmp_path):
    """The network that is not there hides no findings."""
    folder = export_release(recorded_bundle.path, tmp_path / "out", published=DATE)
    crate = read_json(folder, "ro-crate-metadata.json")
    for entity in crate["@graph"]:
        entity.pop("license", None)
        entity["unheard"] = "of"
    (folder / "ro-crate-metadata.json").write_bytes(canonical_json(crate))
    found = " ".join(validate_crate(folder))
    assert "`license`" in found and "unheard" in found


def test_rocrate_loads_it_and_knows_every_file(recorded_bundle, tmp_path):
    folder = export_release(recorded_bundle.path, tmp_path / "out", published=DATE, name="A table")
    crate = ROCrate(folder)
    assert crate.name == "A table" and crate.root_dataset["datePublished"].startswith(DATE)
    tree = read_tree(folder)
    del tree["ro-crate-metadata.json"]
    described = {unquote(entity.id): entity for entity in crate.data_entities if entity.type == "File"}
    assert set(described) == set(tree)
    for name, data in tree.items():
        assert described[name]["sha256"] == hashlib.sha256(data).hexdigest()
        assert described[name]["contentSize"] == str(len(data))


@pytest.mark.parametrize(
    ("license", "stated"),
    [(None, NO_LICENSE), ("CC0-1.0", "CC0-1.0"), (LICENSE, {"@id": LICENSE})],
)
def test_licenses(recorded_bundle, tmp_path, license, stated):
    folder = export_release(recorded_bundle.path, tmp_path / "out", license)
    assert read_graph(folder)["./"]["license"] == stated
    assert read_json(folder, "croissant.json").get("license") == license
