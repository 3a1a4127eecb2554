"""Moonshine: an encoder-decoder on the raw waveform."""
