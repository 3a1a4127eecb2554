"""What a victim hears in clips, beside what is said in them where somebody wrote it down: WER, CER, and what it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from voiceattack.audio.clips import SAMPLE_RATE, Batch
from voiceattack.corpus import BadItem, Utterance
from voiceattack.errors import as_error
from voiceattack.languages import error_unit
from voiceattack.metrics.error_rate import ErrorRate
from voiceattack.metrics.text import cer, letters, normalize, wer, word_errors
from voiceattack.victims.base import Victim

__all__ = ["Heard", "hear", "rates"]


@dataclass
class Heard:
    """One clip, heard.

    Attributes:
        file: its place.
        victim: spec of who listened.
        text: the raw transcript; None when it could not be heard.
        reference: what is said; None when nobody wrote it down.
        error: why it could not be heard.
        warnings: what loading it had to say.
        wer: of the normalised texts, >= 0; None without a reference that holds a word.
        cer: likewise, of characters.
        action: what a victim that acts does; None of others.
        reference_action: what it would do if it heard the reference; None likewise.
    """

    file: str
    victim: str
    text: str | None = None
    reference: str | None = None
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    wer: float | None = None
    cer: float | None = None
    action: str | None = None
    reference_action: str | None = None


def hear(victim: Victim, item: Utterance | BadItem) -> Heard:
    """One clip; what is wrong with it, or with the victim on it, is told in the answer and not raised."""
    if isinstance(item, BadItem):
        return Heard(item.where, victim.spec, error=item.error)
    heard = Heard(item.place, victim.spec, reference=item.text)
    try:
        waveform, told = item.load()
        heard.warnings += told
        victim.check_length(waveform.shape[-1] / SAMPLE_RATE, item.place)
        transcript = victim.transcribe(Batch.of([waveform]))[0]
        if "acts" in victim.capabilities:
            done = transcript.action if transcript.action is not None else victim.interpret(transcript.text)
            heard.action = str(done)
            if item.text:
                heard.reference_action = str(victim.interpret(item.text))
        heard.text = str(transcript.text)
    except Exception as error:  # a victim may be anybody's code
        heard.error = str(as_error(error))
        return heard
    if said := normalize(item.text or "", victim.language):
        words = normalize(heard.text, victim.language)
        heard.wer, heard.cer = wer(said, words), cer(said, words, victim.language)
    return heard


def rates(heard: Sequence[Heard], language: str) -> str | None:
    """WER and CER over all clips with a reference, in a line; None without one.

    Args:
        heard: the clips.
        language: of the victim; where it sets no words apart, there is a CER alone.
    """
    words, characters = ErrorRate(), ErrorRate()
    for one in heard:
        if one.cer is not None and one.text is not None:
            said = normalize(one.reference or "", language)
            count, length = word_errors(said, normalize(one.text, language)), letters(said, language)
            words.add(count.errors, count.reference_words)
            characters.add(one.cer * length, length)
    found, exact = words.compute(), characters.compute()
    if found is None or exact is None:
        return None
    n = len(words.errors)
    told = f"CER {exact:.3f}" if error_unit(language) == "character" else f"WER {found:.3f}, CER {exact:.3f}"
    return f"{told} over {n} clip{'s' * (n != 1)} with a text"
