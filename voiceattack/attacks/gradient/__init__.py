"""Attacks that follow the gradient of a white-box victim."""
