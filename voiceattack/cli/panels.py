"""Which commands and which options stand together in ``--help``."""

from __future__ import annotations

from typing import Any

__all__ = ["COMMAND_GROUPS", "MANY", "MODELS", "PANELS", "panel_of"]

COMMAND_GROUPS = {
    "Start": ("demo", "list", "doctor"),
    "Attack": ("attack", "fit", "prompts", "corruptions", "replay"),
    "Evaluate": ("transcribe", "evaluate", "report", "curve", "view", "listen"),
    "Suite": ("init", "run", "merge", "compare", "bless", "history"),
    "Corpus": ("speak", "export"),
    "Assistants": ("text", "confusions", "wakeword-sweep"),
}
"""The commands by what one wants to do, in the order in which one comes to need them."""

PANELS = {
    "Goal": ("target", "mute", "objective", "action", "wer_threshold", "critical_terms", "fail_on"),
    "Budget": (
        *("snr_db", "linf", "l2", "db_x", "masking_excess_db", "band", "window"),
        *("max_words", "max_edits", "min_similarity", "min_visual", "max_chars"),
    ),
    "Search": (
        *("search", "severity", "severities", "steps", "param", "confidence", "artefact", "start", "stages_db", "max_queries"),
        *("max_decodes", "batch_size", "seed"),
    ),
    "Output": ("out", "output", "format_", "no_control", "no_evaluate", "no_report", "keep_format", "variants"),
    "Running": ("trust", "cache", "no_cache", "dry_run", "device", "threads", "quiet", "help"),
}
"""Options by what they decide, under the names of their values; an option means the same in every command."""

MODELS = {
    "GoalOptions": "Goal",
    "LimitOptions": "Budget",
    "ParamOptions": "Search",
    "SearchOptions": "Search",
    "OutputOptions": "Output",
}
"""The panel of options that are a model's fields, by the model: a field more stands there by itself."""
MANY = 14
"""Options, with ``--help``, from which on a command's options are shown by panels."""


def panel_of(param: Any, count: int) -> str:
    """The panel that an option stands in.

    Args:
        param: the option.
        count: how many its command has.
    """
    if count < MANY:
        return "Options"
    return param.rich_help_panel or next((title for title, names in PANELS.items() if param.name in names), "Options")
