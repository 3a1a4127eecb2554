"""What a suite would cost, less what is there already. Writes nothing."""

from __future__ import annotations

from pathlib import Path

from voiceattack.craft.estimate import estimate
from voiceattack.errors import CorpusError, VoiceAttackError
from voiceattack.suite.cells import pending
from voiceattack.suite.gates import parse_gate
from voiceattack.suite.inputs import gather, shard
from voiceattack.suite.plan import plan
from voiceattack.suite.schema import Suite
from voiceattack.victims import Victim, load_victim
from voiceattack.victims.trust import outside

__all__ = ["cost_lines"]


def cost_lines(
    suite: Suite, folder: Path, out: Path, *, part: tuple[int, int] | None = None, device: str | None = None
) -> tuple[list[str], list[str]]:
    """Lines for people, and one line for each input that cannot be used.

    Raises:
        VoiceAttackError: as :func:`~voiceattack.suite.execute.execute`.
    """
    for gate in suite.gates:
        parse_gate(gate, suite.min_clips)
    items = gather(suite, folder, out, write=False)
    items = items if part is None else shard(items, *part)
    bad = [f"{item.shown}: {item.error}" for item in items if item.error is not None]
    clips = len(items) - len(bad)
    if not clips:
        raise CorpusError("none of the suite's inputs can be used" + (f": {bad[0]}" if bad else ""))
    lines, seconds, steps, queries, unmeasured = [], 0.0, 0, 0, 0
    victims: dict[str, Victim] = {}
    for cell in plan(suite, items):
        todo = set(pending(out, cell))
        name = f"{cell.variant.label} on {cell.source}, seed {cell.seed}"
        if not todo:
            lines.append(f"{name}: all {len(cell.ids)} artefacts are there")
            continue
        wanted = [item.utterance for id, item in cell.ids.items() if id in todo and item.path.exists()]
        if not wanted:
            lines.append(f"{name}: {len(todo)} generated clips, not measured")
            continue
        if cell.source not in victims and not outside(cell.source):
            victims[cell.source] = load_victim(cell.source, device)
        try:
            found = estimate(cell.request, items=wanted, victim=victims.get(cell.source), device=device)
        except VoiceAttackError as error:
            raise type(error)(f"{name}: {error}") from error
        time = f"{found.seconds / 60:.1f} min" if found.unmeasured is None else f"time not measured ({found.unmeasured})"
        lines.append(
            f"{name}: {len(todo)} of {len(cell.ids)} artefacts to craft, at most {found.steps} steps, "
            f"{found.queries} transcriptions, {time}"
        )
        unmeasured += found.unmeasured is not None
        seconds, steps, queries = seconds + found.seconds, steps + found.steps, queries + found.queries
    lines.append(f"{clips} clips are heard clean by {len(suite.victims)} victim{'s' * (len(suite.victims) != 1)}")
    told = f"about {seconds / 60:.1f} min here at most" if seconds or not unmeasured else "time not measured"
    told += f", and longer by the {unmeasured} not measured" if unmeasured and seconds else ""
    lines.append(f"in all at most {steps} gradient steps and {queries} transcriptions, {told}")
    limits = suite.limits
    if limits.seconds is not None or limits.queries is not None:
        caps = [f"{limits.seconds:g} s"] if limits.seconds is not None else []
        caps += [f"{limits.queries} queries"] if limits.queries is not None else []
        lines.append(f"limits of the suite: {', '.join(caps)}; what is not done by then makes its gates errors")
    return [*lines, "nothing was written"], bad
