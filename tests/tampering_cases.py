"""What can be done to a release's folder: every kind of tampering, each with what findings must name."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from journal_fixtures import relink
from verification_helpers import changed, rewrite_record

from synthlib.bundle import canonical_json
from synthlib.chain.accounts import demo_account

# What is done, how, and what findings must name.
Case = tuple[str, Callable[[Path], None], str | tuple[str, ...]]


def flip(path: Path, position: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= bit
    path.write_bytes(data)


def file_cases(folder: Path) -> Iterator[Case]:
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    assert len(files) == 11
    for name in files:
        size = (folder / name).stat().st_size
        for position in sorted({0, size // 3, size // 2, size - 2, size - 1}):
            for bit in (0x01, 0x20):  # the second makes a letter upper or lower case
                case = f"flip bit {bit} of byte {position} of {name}"
                yield case, lambda at, n=name, p=position, b=bit: flip(at / n, p, b), name
        for length in (0, size // 2, size - 1):
            yield (
                f"truncate {name} to {length}",
                lambda at, n=name, k=length: (at / n).write_bytes((at / n).read_bytes()[:k]),
                name,
            )
        yield (
            f"append to {name}",
            lambda at, n=name: (at / n).write_bytes((at / n).read_bytes() + b"\n"),
            name,
        )
        yield f"rename {name}", lambda at, n=name: (at / n).rename(at / (n + ".old")), name
        yield f"delete {name}", lambda at, n=name: (at / n).unlink(), name
        yield f"empty folder for {name}", lambda at, n=name: ((at / n).unlink(), (at / n).mkdir()), name
        yield (
            f"link for {name}",
            lambda at, n=name: (
                (at / n).rename(at.parent / "target"),
                (at / n).symlink_to(at.parent / "target"),
            ),
            name,
        )
        for other in files:
            if other > name and (folder / name).read_bytes() != (folder / other).read_bytes():
                yield (
                    f"swap {name} and {other}",
                    lambda at, n=name, o=other: swap(at / n, at / o),
                    (name, other),
                )
                yield (
                    f"copy {other} over {name}",
                    lambda at, n=name, o=other: shutil.copy(at / o, at / n),
                    name,
                )
    for name in ("extra.csv", "ledger/extra.json", "sub/extra.csv"):
        yield (
            f"add {name}",
            lambda at, n=name: ((at / n).parent.mkdir(exist_ok=True), (at / n).write_text("x")),
            name,
        )


def swap(one: Path, other: Path) -> None:
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def walk(value, name: str = "") -> Iterator[tuple[list, str]]:
    """Steps to, and dotted name of, everything below a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        inner_name = f"{name}[{key}]" if isinstance(value, list) else f"{name}.{key}" if name else key
        yield [key], inner_name
        for steps, below in walk(inner, inner_name):
            yield [key, *steps], below


def field_cases(folder: Path, name: str, prefix: str = "") -> Iterator[Case]:
    """Change and delete each field of a JSON file, add one to each object; the file stays well-formed."""
    document = json.loads((folder / name).read_bytes())

    def edit(steps: list, how: Callable) -> Callable[[Path], None]:
        def apply(at: Path) -> None:
            body = json.loads((at / name).read_bytes())
            holder = body
            for step in steps[:-1]:
                holder = holder[step]
            how(holder, steps[-1])
            (at / name).write_bytes(canonical_json(body))

        return apply

    def change(holder, key):
        holder[key] = changed(holder[key])

    def retype(holder, key):
        holder[key] = [holder[key]]

    def add(holder, key):
        holder[key]["unheard_of"] = 1

    for steps, field in walk(document):
        value = document
        for step in steps:
            value = value[step]
        inside = isinstance(steps[-1], int)  # a list whose length changed is named itself
        yield (
            f"delete {name}: {field}",
            edit(steps, lambda h, k: h.__delitem__(k)),
            field.split("[")[0] if inside else field,
        )
        yield f"retype {name}: {field}", edit(steps, retype), field
        if isinstance(value, dict):
            yield f"add to {name}: {field}", edit(steps, add), f"{field}.unheard_of"
        else:
            yield f"change {name}: {field}", edit(steps, change), field

    def add_top(at: Path) -> None:
        (at / name).write_bytes(canonical_json(json.loads((at / name).read_bytes()) | {"unheard_of": 1}))

    yield f"add to {name}", add_top, "unheard_of"


def both_manifest_cases(folder: Path) -> Iterator[Case]:
    """The same change to the manifest and to its copy: the copy's digest is what the chain holds."""
    for case, apply, _ in list(field_cases(folder, "manifest.json"))[
        ::4
    ]:  # the rest is alike, and takes time

        def apply_to_both(at: Path, apply=apply) -> None:
            apply(at)
            shutil.copy(at / "manifest.json", at / "ledger" / "manifest.json")

        yield f"{case}, and the copy", apply_to_both, "ledger/manifest.json"


def journal_cases(folder: Path) -> Iterator[Case]:
    lines = (folder / "ledger" / "journal.jsonl").read_bytes().splitlines(keepends=True)

    def edit(how: Callable[[list[bytes]], None]) -> Callable[[Path], None]:
        def apply(at: Path) -> None:
            path = at / "ledger" / "journal.jsonl"
            changed_lines = path.read_bytes().splitlines(keepends=True)
            how(changed_lines)
            path.write_bytes(b"".join(changed_lines))

        return apply

    for index, line in enumerate(lines):
        number = index + 1
        # What links two lines is broken by a change of either: a finding names the second, tells the first.
        for position in sorted(
            {0, 2, len(line) // 4, len(line) // 2, 3 * len(line) // 4, len(line) - 3, len(line) - 1}
        ):

            def flip_in(them, i=index, p=position):
                them[i] = them[i][:p] + bytes([them[i][p] ^ 1]) + them[i][p + 1 :]

            yield f"flip byte {position} of line {number}", edit(flip_in), f"line {number}"
        yield f"drop line {number}", edit(lambda them, i=index: them.pop(i)), f"line {number}"
        yield (
            f"repeat line {number}",
            edit(lambda them, i=index: them.insert(i, them[i])),
            f"line {number + 1}",
        )
        yield (
            f"cut line {number}",
            edit(lambda them, i=index: them.__setitem__(i, them[i][: len(them[i]) // 2])),
            f"line {number}",
        )
        yield (
            f"end before line {number}",
            edit(lambda them, i=index: them.__delitem__(slice(i, None))),
            f"line {number}",
        )
        for other in range(index + 1, len(lines)):

            def exchange(them, i=index, j=other):
                them[i], them[j] = them[j], them[i]

            yield f"swap lines {number} and {other + 1}", edit(exchange), f"line {number}"

        def forge(at: Path, i=index) -> None:
            """Change what the line says and put every hash right, also in record.json."""
            path = at / "ledger" / "journal.jsonl"
            entries = [json.loads(text) for text in path.read_bytes().splitlines()]
            if i:
                entries[i]["receipt"]["gas_used"] += 1
            else:
                entries[i]["genesis"] = changed(entries[i]["genesis"])
            path.write_bytes(relink(entries))
            rewrite_record(at, path)

        yield f"forge line {number} and all hashes", forge, f"line {number}"

        def forge_and_sign(at: Path, i=index) -> None:
            forge(at, i)
            rewrite_record(at, at / "ledger" / "journal.jsonl", demo_account())

        yield f"forge line {number}, all hashes and the issuer's signature", forge_and_sign, f"line {number}"


KINDS = {
    "files": file_cases,
    "manifest fields": lambda folder: field_cases(folder, "manifest.json"),
    "manifest fields and copy": both_manifest_cases,
    "record fields": lambda folder: field_cases(folder, "ledger/record.json"),
    "journal lines": journal_cases,
}
