"""Whisper, as its own code, Hugging Face and compiled engines hear."""
