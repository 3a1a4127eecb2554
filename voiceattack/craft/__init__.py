"""Crafting: a corpus in, artefacts and one durable line each out."""

from __future__ import annotations

from voiceattack.craft.request import AttackRequest
from voiceattack.craft.run import craft, craft_clips

__all__ = ["AttackRequest", "craft", "craft_clips"]
