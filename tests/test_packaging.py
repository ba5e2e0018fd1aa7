"""pyproject, the two locks and the conda file agree, and name nothing that a stranger lacks."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYTHONS = ["3.11", "3.12", "3.13"]
REGISTRIES = {"pypi.org", "files.pythonhosted.org", "registry.npmjs.org"}
PLATFORMS = {
    "Linux on x86-64": {"sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux"},
    "Linux on ARM": {"sys_platform": "linux", "platform_machine": "aarch64", "platform_system": "Linux"},
    "macOS on ARM": {"sys_platform": "darwin", "platform_machine": "arm64", "platform_system": "Darwin"},
}

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
UV_LOCK = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
REQUIREMENTS = (ROOT / "requirements.lock").read_text(encoding="utf-8")
DIRECT = [
    Requirement(line) for line in PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["dev"]
]


def list_pins() -> list[tuple[Requirement, set[str]]]:
    """Every entry of requirements.lock: the pin with its marker, and its hashes."""
    entries = re.findall(r"^\S.*(?:\n[ \t]+.*)*", REQUIREMENTS, re.MULTILINE)
    pins = []
    for entry in entries:
        pin, *hashes = entry.replace("\\\n", " ").split("--hash=")
        pins.append((Requirement(pin.strip()), {value.strip() for value in hashes}))
    return pins


PINS = list_pins()


def pinned_versions(python: str, platform: str) -> dict[str, Version]:
    """What the lock installs with a Python on a platform."""
    where = default_environment() | PLATFORMS[platform]
    where |= {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_name": "cpython",
    }
    found: dict[str, Version] = {}
    for pin, _ in PINS:
        if pin.marker is None or pin.marker.evaluate(where):
            name = canonicalize_name(pin.name)
            assert name not in found, f"{name} is pinned twice for {python} on {platform}"
            (specifier,) = pin.specifier
            assert specifier.operator == "=="
            found[name] = Version(specifier.version)
    return found


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_direct_dependency_is_pinned_within_its_range(python, platform):
    pinned = pinned_versions(python, platform)
    where = default_environment() | PLATFORMS[platform]
    for requirement in DIRECT:
        if requirement.marker is not None and not requirement.marker.evaluate(where):
            assert canonicalize_name(requirement.name) not in pinned
            continue
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} against {version}"


def test_every_pin_has_hashes_and_is_uv_locks():
    locked: dict[tuple[str, str], set[str]] = {}
    for package in UV_LOCK["package"]:
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        locked[package["name"], package["version"]] = {file["hash"] for file in files}
    del locked["synthlib", PROJECT["project"]["version"]]
    found = {}
    for pin, hashes in PINS:
        (specifier,) = pin.specifier
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes), pin.name
        found[pin.name, specifier.version] = hashes
    assert found.items() <= locked.items()
    assert {name for name, _ in locked.keys() - found.keys()} <= needed_by_extras()


def needed_by_extras() -> set[str]:
    """Names of packages that an optional extra leads to: they are locked, and not in requirements.lock."""
    packages = {package["name"]: package for package in UV_LOCK["package"]}
    extras = packages[PROJECT["project"]["name"]]["optional-dependencies"]
    waiting = [one["name"] for wanted in extras.values() for one in wanted]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [one["name"] for one in packages[name].get("dependencies", [])]
    return found


def test_requirements_lock_is_what_uv_exports():
    command = (
        "export --frozen --format requirements-txt --all-groups --no-emit-project --no-header --no-annotate"
    )
    exported = subprocess.run(
        [sys.executable, "-m", "uv", *command.split(), "--quiet", "--offline", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert exported.stdout == REQUIREMENTS, "run: make lock"


def test_uv_lock_was_made_from_these_dependencies():
    (package,) = (entry for entry in UV_LOCK["package"] if entry["name"] == PROJECT["project"]["name"])
    described, optional = package["metadata"], PROJECT["project"]["optional-dependencies"]
    dist = described["requires-dist"]
    extra = [one for one in dist if "extra ==" in one.get("marker", "")]
    always = [one for one in dist if one not in extra]
    for entries, declared in (
        (always, PROJECT["project"]["dependencies"]),
        (extra, [one for wanted in optional.values() for one in wanted]),
        (described["requires-dev"]["dev"], PROJECT["dependency-groups"]["dev"]),
    ):
        locked = {
            (entry["name"], SpecifierSet(entry.get("specifier", "")), *sorted(entry.get("extras", [])))
            for entry in entries
        }
        wanted = {
            (canonicalize_name(one.name), one.specifier, *sorted(one.extras))
            for one in map(Requirement, declared)
        }
        assert locked == wanted, "run: make lock"


def test_what_is_pinned_together_fits_together():
    """The requirements that each installed package states are met by the lock's pins for this machine."""
    pins = [pin for pin, _ in PINS if pin.marker is None or pin.marker.evaluate()]
    pinned = {canonicalize_name(pin.name): pin.specifier for pin in pins}
    wrong = []
    for name in pinned:
        for requirement in map(Requirement, metadata.requires(name) or []):
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
            (pin,) = pinned.get(canonicalize_name(requirement.name), [None])
            if pin is None or not requirement.specifier.contains(pin.version, prereleases=True):
                wrong.append(f"{name} needs {requirement}, the lock has {pin}")
    assert not wrong


def test_locks_name_only_public_registries():
    text = REQUIREMENTS + (ROOT / "uv.lock").read_text(encoding="utf-8")
    named = {urlsplit(url).hostname for url in re.findall(r"https?://[^\s\"']+", text)}
    npm = json.loads((ROOT / "contracts" / "package-lock.json").read_text(encoding="utf-8"))
    named |= {
        urlsplit(entry["resolved"]).hostname for entry in npm["packages"].values() if "resolved" in entry
    }
    assert named <= REGISTRIES
    assert "--index-url" not in REQUIREMENTS and "--find-links" not in REQUIREMENTS


def test_conda_users_get_python_in_range_and_the_same_lock():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    named = {
        re.match(r"[a-z]+", entry)[0]: entry for entry in conda["dependencies"] if isinstance(entry, str)
    }
    (from_pip,) = (entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    assert from_pip == ["-r requirements.lock"]
    assert named["python"].removeprefix("python") == PROJECT["project"]["requires-python"]
    # What conda installs is no Python package that the lock pins, else two sources would disagree.
    assert set(named) == {"python", "pip", "nodejs"}
    assert not set(named) & {canonicalize_name(pin.name) for pin, _ in PINS}
    exported = re.findall(r"^export (\w+) := (\w+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for name in ("PYTHONHASHSEED", "KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL"):
        assert conda["variables"][name] == dict(exported)[name]


def test_the_supported_pythons_are_the_same_everywhere():
    declared = SpecifierSet(PROJECT["project"]["requires-python"])
    assert SpecifierSet(UV_LOCK["requires-python"]) == declared
    candidates = [f"3.{minor}" for minor in range(8, 20)]
    assert [version for version in candidates if declared.contains(version)] == PYTHONS
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + PYTHONS[0].replace(".", "")


def test_no_tracked_file_names_a_place_on_one_machine():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    # A path begins after a blank, a quote or the like: what follows a letter, a dot or a slash is part of
    # a URL or of a relative path, and base64 has letters, digits, + and = before a slash.
    # Tests are let name files in the common temporary folder: they make such paths up as wrong inputs.
    place = re.compile(r"(?<![\w.:/+=<~$-])/(?:root|tmp|work|home/[\w.-]+|Users/[\w.-]+)/[\w.-]")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue  # binary, or removed and not yet committed
        made_up = "/tmp/" if name.startswith("tests/") else None
        found += [f"{name}: {match[0]}" for match in place.finditer(text) if match[0][:-1] != made_up]
    assert not found


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE"])
def test_the_licence_files_exist_and_are_packed(name):
    assert (ROOT / name).stat().st_size > 0
    assert name in PROJECT["project"]["license-files"]


def test_the_wheel_holds_data_contract_and_licences(tmp_path):
    """Whatever of synthlib/ is not Python is there too, and nothing from outside but the licences."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith(".py")}
    data = {name for name in packed if name.startswith("synthlib/")}
    assert {"synthlib/data/support2.csv.gz", "synthlib/chain/artifacts/ProvenanceRegistry.json"} <= data
    folders = {name.partition("/")[2] for name in packed - data}
    assert folders == {
        "METADATA",
        "WHEEL",
        "RECORD",
        "entry_points.txt",
        "licenses/LICENSE",
        "licenses/NOTICE",
    }
