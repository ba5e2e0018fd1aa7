"""The command line's commands, by whom they are for; cli.py has those about tables."""
