"""How much a changed text differs: sizes, glyphs, sounds, meaning."""
