"""A victim around a victim: everything is the one inside, but for what the wrapper itself says."""

from __future__ import annotations

from typing import Any

from voiceattack.audio.clips import Batch
from voiceattack.victims.base import Transcript, Victim

__all__ = ["VictimWrapper"]


class _OfInner:
    """A name that is looked up in the victim inside each time, unless the wrapper was given one of its own by assignment."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, wrapper: VictimWrapper | None, owner: type | None = None) -> Any:
        return self if wrapper is None else getattr(wrapper.inner, self.name)


class VictimWrapper(Victim):
    """The victim inside, under the same spec, with the same capabilities and facts; subclasses override what they change.

    What only some victims have (losses, sessions, the device, prompts, a detector's threshold) is found in the victim inside too.
    A wrapper that changes the audio or the text before the victim must therefore override every method that takes it; one that
    cannot do what the victim inside can takes it out of ``capabilities``, or sets the method to None where it has no capability.

    Ask ``capabilities``, not the class, what a wrapped victim can do (:func:`voiceattack.victims.base.differentiates`).

    Args:
        inner: the victim.
    """

    def __init__(self, inner: Victim) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        # Without an inner one yet (copying, pickling) there is nothing; what is private stays so.
        if name.startswith("_") or "inner" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.inner, name)

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return self.inner.transcribe(batch)


# All that a victim has, so that none can be forgotten when victims come to offer more.
for _name in {*Victim.__annotations__, *vars(Victim)}:
    if not _name.startswith("_") and _name not in vars(VictimWrapper):
        setattr(VictimWrapper, _name, _OfInner(_name))
