"""What a run would cost, from file headers and one measured step. Writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from voiceattack.attacks.base import Attack
from voiceattack.audio import clips as audio
from voiceattack.audio.clips import Batch
from voiceattack.corpus import BadItem, Utterance, read_corpus
from voiceattack.craft.request import AttackRequest
from voiceattack.errors import CorpusError, as_error
from voiceattack.victims import Victim, differentiates, load_victim
from voiceattack.victims.trust import outside, specs_in

__all__ = ["Estimate", "estimate"]


@dataclass
class Estimate:
    """The most that a run may cost.

    Attributes:
        attack, victim: names.
        examples: clips that can be attacked.
        controls: noise controls beside them.
        unusable: one line for each input that cannot be attacked.
        audio_seconds: of all usable clips together.
        steps, queries: gradient steps and transcriptions at most, hearing the clean clips included.
        step_seconds, hear_seconds: measured, one step and one transcription of the first usable clip.
        seconds: wall-clock time at most, on this machine, evaluation included; 0 when nothing was measured.
        unmeasured: why no time was measured; None when it was.
    """

    attack: str
    victim: str
    examples: int = 0
    controls: int = 0
    unusable: list[str] = field(default_factory=list)
    audio_seconds: float = 0.0
    steps: int = 0
    queries: int = 0
    step_seconds: float = 0.0
    hear_seconds: float = 0.0
    seconds: float = 0.0
    unmeasured: str | None = None

    def lines(self) -> list[str]:
        """For people, one fact a line."""
        if self.unmeasured is not None:
            time = f"time not measured: {self.unmeasured}, and nothing outside is run or asked without need"
            return [*self._counts(), time, "nothing was written"]
        unit, amount = ("h", self.seconds / 3600) if self.seconds > 5400 else ("min", self.seconds / 60)
        measured = f"measured: a step {self.step_seconds:.2f} s, a transcription {self.hear_seconds:.2f} s"
        return [*self._counts(), f"at most {amount:.1f} {unit} here ({measured})", "nothing was written"]

    def _counts(self) -> list[str]:
        return [
            f"{self.attack} on {self.victim}: {self.examples} clips ({self.audio_seconds:.1f} s), {self.controls} noise controls",
            f"at most {self.steps} gradient steps and {self.queries} transcriptions",
        ]


def estimate(
    request: AttackRequest,
    *,
    items: Sequence[Utterance | BadItem] | None = None,
    victim: Victim | None = None,
    device: str | None = None,
) -> Estimate:
    """Read headers, load the victim, measure one step. Arguments as those of :func:`voiceattack.craft.run.craft`.

    Of a victim that reaches out of this process nothing is run, asked or measured.

    Args:
        request: what is asked.
        victim: ``request.victim``, already loaded; None loads it, if that alone does nothing outside.
        device: where to load it, None for CUDA when there.

    Raises:
        VoiceAttackError: as :func:`voiceattack.craft.run.craft` for a request that cannot work.
    """
    attack, objective, budget = request.build()
    items = list(read_corpus(request.inputs)) if items is None else items
    if not items:
        raise CorpusError(f"no audio found in {', '.join(request.inputs)}; give audio files, folders or manifests")
    reached = [part for spec in specs_in({"victim": request.victim, "params": request.params}) for part in outside(spec)]
    if any(part.outside.at_once for part in reached):
        victim = None  # nor may the attack load what its parameters name, as it would to be checked against a victim
    else:
        victim = load_victim(request.victim, device) if victim is None else victim
        attack.check(victim, objective, budget)
    result = Estimate(request.attack, request.victim if victim is None else victim.spec)
    result.unmeasured = f"{reached[0].spec} {reached[0].outside.does}" if reached else None
    first_seconds = 0.0
    for item in items:
        try:
            if isinstance(item, BadItem):
                raise CorpusError(f"{item.where}: {item.error}")
            seconds = item.info().seconds
            if victim is not None:
                victim.check_length(seconds, item.place)
            if victim is not None and not reached and not result.examples:
                result.hear_seconds, result.step_seconds = _measure(victim, attack, item)
                first_seconds = seconds
        except Exception as error:  # a victim may be anybody's code
            result.unusable.append(str(as_error(error)))
            continue
        result.examples += 1
        result.audio_seconds += seconds
    result.controls = result.examples if request.control and request.attack != "noise" else 0
    result.steps = result.examples * attack.max_steps
    most = attack.max_queries if request.max_queries is None else min(attack.max_queries, request.max_queries)
    result.queries = result.examples * (most + 1)
    if victim is None or reached:
        return result
    # The evaluation hears each clean clip and each artefact once more.
    heard = result.queries + 2 * result.examples + result.controls
    # A victim with a window always computes the whole window; for others the cost follows the length.
    scale = 1.0
    if victim.max_seconds is None and result.examples:
        scale = result.audio_seconds / (first_seconds * result.examples)
    result.seconds = scale * (result.steps * result.step_seconds + heard * result.hear_seconds)
    return result


def _measure(victim: Victim, attack: Attack, item: Utterance) -> tuple[float, float]:
    """Seconds of one transcription and of one forward and backward pass on one clip."""
    batch = Batch.of([audio.quantize16(item.load()[0])])
    text = ""

    def hear() -> None:
        nonlocal text
        text = victim.transcribe(batch)[0].text

    hear_seconds = _timed(hear)
    differentiable = attack.steps_on(victim)
    if not attack.max_steps or not differentiates(differentiable):
        return hear_seconds, 0.0
    return hear_seconds, _timed(lambda: differentiable.forward_backward(batch, [text]))


def _timed(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
