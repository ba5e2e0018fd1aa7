"""Make .venv hold exactly what requirements.lock names: what `make venv` runs.

Any Python 3 can run this file, nothing need be installed. It looks for Python 3.11 to 3.13, makes the
environment with it, and leaves a stamp that says which lock was installed where. While the stamp is
right nothing happens; an interrupted run leaves no stamp and is done again.

Every file is checked against the lock's hashes, those that install the others included, and packages
that must be built are built with the lock's own tools, so nothing unpinned is ever run.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
LOCK = os.path.join(ROOT, "requirements.lock")
STAMP = os.path.join(VENV, "synthlib-stamp.json")
PYTHON = os.path.join(VENV, "bin", "python")

SUITABLE = [(3, 11), (3, 12), (3, 13)]  # as requires-python in pyproject.toml; a test holds them together
PIP_INSTALL = [PYTHON, "-m", "pip", "install", "--quiet", "--no-input", "--no-deps"]
BUILD_TOOLS = ["uv", "setuptools", "wheel"]
PROBE = "import sys, json; v = sys.version_info; print(json.dumps([v[0], v[1], sys.implementation.name]))"
# What a person's shell may hold that would send packages elsewhere or bring others in.
MISLEADING = {
    *("PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__"),
    *("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV", "PIP_CONSTRAINT"),
    *("PIP_NO_BINARY", "PIP_ONLY_BINARY", "UV_NO_BINARY", "UV_NO_BUILD", "UV_CONSTRAINT", "UV_OVERRIDE"),
    *("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_TARGET", "UV_PREFIX", "UV_EXCLUDE_NEWER", "UV_NO_VERIFY_HASHES"),
    *("UV_PROJECT", "UV_WORKING_DIRECTORY", "UV_PROJECT_ENVIRONMENT"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", help="the Python to use instead of the first suitable one found")
    requested = parser.parse_args().python
    if os.path.islink(VENV):  # it is another checkout's, which may be at work with it
        fail("expected .venv to be a folder of this checkout, got a link: remove it, or work without make")
    with only_one_at_a_time():
        stale = list_stale(requested)
        if not stale:
            return
        started = time.monotonic()
        if stale == ["pyproject.toml"]:
            say("pyproject.toml changed: installing synthlib itself anew")
            build(None)
        else:
            python = find_python(requested)
            say(f"making .venv with {python}; the first time there is about 0.7 GB to download")
            build(python)
        say(f".venv is ready after {time.monotonic() - started:.0f} s")


def say(text):
    print("synthlib: " + text, file=sys.stderr, flush=True)


def fail(text):
    say(text)
    sys.exit(2)


@contextlib.contextmanager
def only_one_at_a_time():
    """Let a second `make` in the same clone wait instead of emptying what the first is filling."""
    import fcntl

    folder = os.path.join(ROOT, "build")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, ".venv.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def describe():
    """What the stamp must say. A moved clone is made again, since installed scripts name their folder."""
    described = {"folder": ROOT}
    for name in ("requirements.lock", "pyproject.toml"):
        with open(os.path.join(ROOT, name), "rb") as file:
            described[name] = hashlib.sha256(file.read()).hexdigest()
    return described


def list_stale(requested):
    """What .venv was not made from, or not by; empty if it can stay as it is."""
    version = probe(PYTHON)
    if version is None or (requested and probe(requested) != version):
        return ["python"]
    try:
        with open(STAMP) as file:
            stamp = json.load(file)
    except (OSError, ValueError):
        return ["stamp"]
    return [name for name, value in describe().items() if stamp.get(name) != value]


def probe(python):
    """`[major, minor, implementation]` of a Python, or None where there is none that runs."""
    try:
        printed = subprocess.check_output([python, "-I", "-c", PROBE], stderr=subprocess.DEVNULL)
        return json.loads(printed.decode())
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def find_python(requested):
    """The command of a suitable Python that can make environments; else say what was found and stop."""
    # A Python that runs from the old .venv would remove itself, so its base is asked instead.
    running = getattr(sys, "_base_executable", None) or sys.executable
    named = [f"python{major}.{minor}" for major, minor in reversed(SUITABLE)]
    candidates = [requested] if requested else [running, "python3", *named]
    seen = []
    for python in candidates:
        version = probe(python)
        if version is None:
            continue
        major, minor, implementation = version
        label = f"{python} ({implementation} {major}.{minor})"
        if implementation != "cpython" or (major, minor) not in SUITABLE:
            seen.append(label)
        elif subprocess.call([python, "-I", "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL):
            seen.append(f"{label} without venv (on Debian: apt-get install python{major}.{minor}-venv)")
        else:
            return python
    found = "; ".join(seen) or "nothing that runs under " + ", ".join(candidates)
    fail(f"expected CPython 3.11, 3.12 or 3.13 with venv, found {found}; install one or say make PYTHON=...")


def build(python):
    """Make .venv anew with `python` and fill it (None: keep it), install synthlib, leave the stamp."""
    with contextlib.suppress(OSError):
        os.remove(STAMP)
    environment = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    environment.update(PIP_USER="0", PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_ROOT_USER_ACTION="ignore")
    if not can_write(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")):
        for name in ("PIP_NO_CACHE_DIR", "UV_NO_CACHE"):
            environment.setdefault(name, "1")

    from_here = ["--isolated", "--no-index", "--no-cache-dir", "--no-build-isolation"]

    def run(*command):
        subprocess.check_call(command, env=environment, cwd=ROOT)

    try:
        if python is not None:
            run(python, "-I", "-m", "venv", "--clear", VENV)
            fill(run)
        run(*PIP_INSTALL, *from_here, "--editable", ROOT)
    except subprocess.CalledProcessError as error:
        command = " ".join(error.cmd[1:5])
        fail(f"`{command} ...` failed (above); .venv is incomplete, the same make tries again")
    partial = STAMP + ".partial"
    with open(partial, "w") as file:
        json.dump(describe(), file, indent=1)
    os.replace(partial, STAMP)


def fill(run):
    """Install the lock: first what installs and builds, then the rest."""
    from_lock = ["--no-deps", "--require-hashes", "--no-build-isolation", "-r"]
    with tempfile.TemporaryDirectory() as folder:
        tools = os.path.join(folder, "tools.txt")
        with open(LOCK) as lock, open(tools, "w") as file:
            file.write(select(lock.read(), BUILD_TOOLS))
        run(*PIP_INSTALL, *from_lock, tools)
    if not install_with_uv(run, from_lock):
        run(*PIP_INSTALL, *from_lock, LOCK)


def install_with_uv(run, from_lock):
    """Install the lock with uv, several times faster than pip, bytecode included; False if it cannot.

    pip reads mirrors and proxies that uv does not know of, so it is worth a second try.
    """
    uv_install = [PYTHON, "-m", "uv", "pip", "install", "--compile-bytecode", "--python", PYTHON]
    try:
        run(*uv_install, *from_lock, LOCK)
    except subprocess.CalledProcessError:
        say("uv could not install the lock (above); going on with pip")
        return False
    return True


def can_write(folder):
    """Whether a folder can be written to, or made."""
    while not os.path.exists(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK)


def select(lock, names):
    """The entries of a hashed requirements file that pin the named packages."""
    entries = re.findall(r"^[^\s#].*(?:\n[ \t]+.*)*", lock, re.MULTILINE)
    return "\n".join(entry for entry in entries if entry.split("==")[0] in names) + "\n"


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        fail("interrupted; the same make starts again")
