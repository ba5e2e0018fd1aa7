"""`python -m synthlib` is `synthlib`."""

from synthlib.cli import main

main()
