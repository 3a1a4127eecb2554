"""What Whisper's ``generate`` must know beside the weights, completed from the tokenizer where a folder lacks it.

Folders that were fine-tuned, converted or copied by hand often have no generation_config.json, or an old one. ``generate`` then
stops after 20 tokens and begins without ``<|notimestamps|>``, so that it hears otherwise than the model was trained to, and
otherwise than the losses of an attack assume.
"""

from __future__ import annotations

from typing import Any

from voiceattack.errors import SpecError, VictimError
from voiceattack.languages import model_code

__all__ = ["TASKS", "complete_generation", "decoder_prompt", "is_token"]

TASKS = ("transcribe", "translate")
WINDOW_POSITIONS = 1500  # encoder positions in 30 s
MULTILINGUAL_TOKENS = 51_865  # the fewest of a model of several languages; English-only ones have one less
LIBRARY_DEFAULT_LENGTH = 20
FIRST_STAMP_PLACES = 50  # timestamps at which the first segment may begin: one second


def complete_generation(spec: str, model: Any, tokenizer: Any) -> None:
    """Fill in ``model.generation_config``, in place, and check that it fits the weights and the tokenizer.

    ``forced_decoder_ids``, the old way to say language and task, are dropped: both are said in the new way.

    Args:
        spec: of the victim, for messages.
        model: a ``WhisperForConditionalGeneration``.
        tokenizer: of the same model.

    Raises:
        VictimError: model, tokenizer or generation_config.json are not of one Whisper.
    """
    config, generation = model.config, model.generation_config
    size = int(config.vocab_size)
    if config.max_source_positions != WINDOW_POSITIONS:
        raise VictimError(
            f"{spec}: hears windows of {config.max_source_positions / 50:g} s (max_source_positions in config.json); "
            "only Whisper's 30 s are supported"
        )
    ids = {name: _id(spec, tokenizer, name, size) for name in ("startoftranscript", "endoftext", "notimestamps")}
    if len(tokenizer) > size and max(tokenizer.get_vocab().values()) >= size:
        raise VictimError(
            f"{spec}: its tokenizer has more tokens than its weights ({size}); copy the tokenizer files of the same model"
        )
    generation.decoder_start_token_id = ids["startoftranscript"]
    if not is_token(_first(generation.eos_token_id), size):
        generation.eos_token_id = ids["endoftext"]
    if generation.pad_token_id is None:
        generation.pad_token_id = _first(generation.eos_token_id)
    if generation.max_length in (None, LIBRARY_DEFAULT_LENGTH):
        generation.max_length = int(config.max_target_positions)
    multilingual = size >= MULTILINGUAL_TOKENS
    defaults = {
        "no_timestamps_token_id": ids["notimestamps"],
        "max_initial_timestamp_index": FIRST_STAMP_PLACES,
        "is_multilingual": multilingual,
        **(_languages(spec, tokenizer, size) if multilingual else {}),
    }
    for name, value in defaults.items():
        if getattr(generation, name, None) is None:
            setattr(generation, name, value)
    generation.forced_decoder_ids = config.forced_decoder_ids = None
    _check(spec, generation, size)


def decoder_prompt(spec: str, generation: Any, language: str, task: str) -> tuple[list[int], dict[str, str] | None]:
    """What stands before the first word, and what ``generate`` is told, for a language and a task.

    Raises:
        SpecError: the model does not know them.
    """
    if not generation.is_multilingual:
        model_code(language, ["en"], spec)
        if task != "transcribe":
            raise SpecError(f"{spec}: hears English alone and translates nothing; leave task={task} out")
        return [int(generation.decoder_start_token_id), int(generation.no_timestamps_token_id)], None
    known = [token.strip("<|>") for token in generation.lang_to_id]
    code = model_code(language, known, spec)
    ids = (generation.lang_to_id[f"<|{code}|>"], generation.task_to_id[task], generation.no_timestamps_token_id)
    return [int(generation.decoder_start_token_id), *map(int, ids)], {"language": code, "task": task}


def is_token(value: Any, size: int) -> bool:
    """Whether ``value`` is the id of a token among ``size``."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < size


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, (list, tuple)) and value else value


def _id(spec: str, tokenizer: Any, name: str, size: int) -> int:
    found = tokenizer.get_vocab().get(f"<|{name}|>")
    if not is_token(found, size):
        raise VictimError(
            f"{spec}: its tokenizer has no <|{name}|> among the {size} tokens of its weights; is it that of this Whisper model?"
        )
    return int(found)


def _languages(spec: str, tokenizer: Any, size: int) -> dict[str, dict[str, int]]:
    """``lang_to_id`` and ``task_to_id`` of a model of several languages."""
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    vocabulary = tokenizer.get_vocab()
    known = {f"<|{code}|>": vocabulary.get(f"<|{code}|>") for code in LANGUAGES}
    return {
        "lang_to_id": {token: place for token, place in known.items() if is_token(place, size)},
        "task_to_id": {task: _id(spec, tokenizer, task, size) for task in ("transcribe", "translate")},
    }


def _check(spec: str, generation: Any, size: int) -> None:
    """Refuse tokens that the weights do not have, which would end a search with an index error."""
    for name in ("suppress_tokens", "begin_suppress_tokens"):
        value = getattr(generation, name, None)
        if value is not None and not (isinstance(value, (list, tuple)) and all(is_token(one, size) for one in value)):
            raise VictimError(f"{spec}: {name} in its generation_config.json is no list of tokens from 0 to {size - 1}; mend it")
    if not is_token(generation.no_timestamps_token_id, size):
        raise VictimError(f"{spec}: no_timestamps_token_id in its generation_config.json is no token below {size}; mend it")
    if not isinstance(generation.max_length, int) or generation.max_length < 1:
        raise VictimError(f"{spec}: max_length in its generation_config.json is no number of tokens; mend it")
