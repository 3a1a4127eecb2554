"""Victims around a victim: the same but for what one of them changes."""
