"""Any number of runs in one table that one can search, filter, sort, listen to and choose from; the local page that shows it."""

from __future__ import annotations

from voiceattack.view.runs import find_runs
from voiceattack.view.table import Asked, Page, Table, export_lines

__all__ = ["Asked", "Page", "Table", "export_lines", "find_runs"]
