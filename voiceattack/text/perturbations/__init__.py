"""Ways to change a text. One file and one registration line each."""
