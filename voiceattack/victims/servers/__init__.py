"""Victims behind a connection or a program."""
