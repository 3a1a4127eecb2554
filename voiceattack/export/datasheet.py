"""A datasheet (Gebru et al. 2021, "Datasheets for Datasets") written from what was exported, and no more."""

from __future__ import annotations

import statistics
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from voiceattack.export.base import ExportedClip, Selection
from voiceattack.metrics import columns
from voiceattack.report.markdown_text import code, escape, table
from voiceattack.runs.run import Run

__all__ = ["Tally", "datasheet"]


def _sizes() -> list[str]:
    """Names of the metrics whose range is told, those in decibels together."""
    return [metric.name for metric in sorted(columns("datasheet"), key=lambda metric: metric.unit != "dB")]


@dataclass
class Tally:
    """Counts of items as they pass; a few bytes an item."""

    items: int = 0
    seconds: float = 0.0
    splits: Counter[str] = field(default_factory=Counter)
    groups: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    sources: set[bytes] = field(default_factory=set)
    sizes: dict[str, array[float]] = field(default_factory=lambda: {name: array("d") for name in _sizes()})

    def watch(self, items: Iterator[ExportedClip]) -> Iterator[ExportedClip]:
        """``items``, counted."""
        for item in items:
            fields = item.fields
            self.items += 1
            self.seconds += item.seconds
            self.splits[item.split] += 1
            self.groups[fields["attack"], fields["victim"], fields["objective"], fields["outcome"]] += 1
            self.texts[fields["text_source"]] += 1
            self.sources.add(bytes.fromhex(fields["source_pcm_sha256"])[:8])
            for name, values in self.sizes.items():
                if fields.get(name) is not None:
                    values.append(fields[name])
            yield item

    def why_skipped(self) -> str:
        """``3 fooled no other victim, 1 failed (error)``."""
        return ", ".join(f"{count} {reason}" for reason, count in self.skipped.most_common()) or "the run holds none"


def datasheet(run: Run, name: str, selection: Selection, tally: Tally) -> str:
    """The datasheet as Markdown."""
    groups = [(code(a), code(v), escape(o), escape(outcome), str(n)) for (a, v, o, outcome), n in sorted(tally.groups.items())]
    rows = [
        (label, f"{min(values):.2f}", f"{statistics.median(values):.2f}", f"{max(values):.2f}")
        for label, values in tally.sizes.items()
        if values
    ]
    splits = ", ".join(f"{split} {count}" for split, count in sorted(tally.splits.items()))
    filters = [
        *(["verified successes only"] if selection.fooled else []),
        *(["only those that fooled another victim too"] if selection.transfers else []),
        *(
            [f"masking excess at most {selection.max_masking_excess_db:g} dB"]
            if selection.max_masking_excess_db is not None
            else []
        ),
    ]
    texts = ", ".join(f"{count} from {source}" for source, count in sorted(tally.texts.items()))
    victims = ", ".join(sorted({code(victim) for _, victim, _, _ in tally.groups}))
    versions = ", ".join(f"{package} {version}" for package, version in run.info.get("versions", {}).items())
    shares = ", ".join(f"{split} {share:g}" for split, share in selection.splits.items())
    return f"""# Datasheet

After Gebru et al. 2021. Written by `voiceattack export` from the run {code(run.id)}; what a person must add
is marked *to be filled in*.

## Motivation

Adversarial speech for testing, and for training, the robustness of speech recognition. Each clip was changed
so that {victims} would mishear it. Who made it and who paid for it: *to be filled in*.

## Composition

{tally.items} clips of 16 kHz mono 16-bit audio, {tally.seconds / 60:.1f} minutes,
made from {len(tally.sources)} different recordings. Format: {code(name)}.
Splits: {escape(splits)}.

{table(("attack", "victim", "objective", "outcome", "clips"), groups)}
{table(("size of the change", "least", "median", "most"), rows)}
* `text` is what was said ({escape(texts)}); `heard` is what the attacked victim heard in
  the saved file.
* Outcomes other than `fooled` are attacks that failed or clips misheard already when clean: no
  successes, whatever they sound like.
* Left out: {escape(tally.why_skipped()) if tally.skipped else "nothing"}. Filters: {", ".join(filters) or "none"}. Noise
  controls and intermediate stages of a search are never exported.
* Splits are drawn by a hash of the source recording's samples (shares asked: {escape(shares)}), so
  that everything made from one recording is in one split, in this export and in any other. Speakers are not known to
  the tool: one speaker may be in several splits.
* Whether recordings hold personal data is a matter of the sources: *to be filled in*.

## Collection process

Crafted by voiceattack on {escape(str(run.info.get("platform", "")))}, begun {escape(run.info.get("created", ""))}.
`recipe` of each item holds all that is needed to craft it again, with its own seed; `sha256` is of the file,
`source_sha256` of what it was made from.
Versions: {escape(versions)}.

## Preprocessing

Sources were mixed down to one channel, resampled to 16 kHz and rounded to 16 bits. Transcripts are raw; rates were computed after
{escape(str(run.info.get("normalizer", "")))}.

## Uses

Regression tests and adversarial training of recognisers and assistants that you own or may test; detection
of adversarial audio. Not for deceiving other people's devices. Examples crafted on one victim transfer to
others seldom (`transfers_to`): robustness to them is no robustness to new attacks, and a model trained on
them must be attacked afresh.

## Distribution

Licence of the source recordings, and so of these: **{escape(selection.license)}**. Every file says
in its metadata that it is adversarial.

## Maintenance

Who answers for it, and until when: *to be filled in*.
"""
