"""Prompts for Whisper: the pool, the search, the runs."""
