"""Attacks that see transcripts alone."""
