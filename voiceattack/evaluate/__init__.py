"""Evaluation: the saved files heard back, measured and summed up."""

from __future__ import annotations

from voiceattack.evaluate.scoring import evaluate

__all__ = ["evaluate"]
