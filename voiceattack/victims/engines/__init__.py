"""Compiled recognisers, from their packages."""
