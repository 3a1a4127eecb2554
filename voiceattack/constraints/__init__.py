"""What the attacker may change: limits that compose, held by one projection."""

from __future__ import annotations

from voiceattack.constraints.budget import Budget

__all__ = ["Budget"]
