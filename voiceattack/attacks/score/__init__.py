"""Attacks that ask the victim for scores."""
