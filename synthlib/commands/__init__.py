"""The command line's commands, by what they are about and whom they are for; cli.py puts them together."""
