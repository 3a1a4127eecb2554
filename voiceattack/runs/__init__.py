"""The run directory: what it holds, how it is read, written and resumed."""

from __future__ import annotations

from voiceattack.runs.run import Example, Run, adversarial_comment, environment, example_id, example_seed, slug

__all__ = ["Example", "Run", "adversarial_comment", "environment", "example_id", "example_seed", "slug"]
