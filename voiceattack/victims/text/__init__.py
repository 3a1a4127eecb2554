"""Victims that read."""
