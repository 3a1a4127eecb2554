"""Victims that act: assistants, intents, homes, wake words."""
