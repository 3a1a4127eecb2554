"""Victims around a victim."""
