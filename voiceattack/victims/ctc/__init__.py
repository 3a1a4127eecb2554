"""Victims with a CTC output."""
