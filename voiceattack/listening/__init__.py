"""The blind listening test: trials, answers, and the local page that asks."""

from __future__ import annotations

from voiceattack.listening.abx import Answer, Session, Trial, detection, read_answers, trials_of, write_csv

__all__ = ["Answer", "Session", "Trial", "detection", "read_answers", "trials_of", "write_csv"]
