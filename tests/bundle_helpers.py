"""Small Bundles, and what differs in a folder."""

from synthlib.bundle import MANIFEST, Bundle, canonical_json, inspect

SECRET = bytes(range(32))


def make(path, text="a\n", parents=None, key=None, **parameters):
    with Bundle.create(path, "test", parameters, parents, key) as folder:
        (folder / "a.csv").write_text(text)
        (folder / "inner").mkdir()
        (folder / "inner" / "b.json").write_text("{}")
    return Bundle.open(path, key)


def rewrite(bundle, **changes):
    """Put a manifest with other fields in place; canonical, so that only the fields are to blame."""
    manifest = {name: value for name, value in (bundle.manifest | changes).items() if value is not None}
    (bundle.path / MANIFEST).write_bytes(canonical_json(manifest))


def differing(path, key=None):
    return {found.subject for found in inspect(path, key) if found.verdict == "differs"}
