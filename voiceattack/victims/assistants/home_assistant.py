"""``home-assistant+http://host:port?pipeline=NAME``: a running Home Assistant, judged by its answers and by its home."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from voiceattack.audio.clips import SAMPLE_RATE, Batch, pcm16
from voiceattack.errors import VictimError
from voiceattack.extras import optional_import
from voiceattack.unicode_text import storable, visible
from voiceattack.victims.assistants.home_assistant_client import EXTRA, FEATURE, HomeAssistant, Message, Session
from voiceattack.victims.assistants.home_assistant_states import RESTORABLE, Change, State, Watch, changes
from voiceattack.victims.base import Transcript, Victim
from voiceattack.victims.intent import Intent
from voiceattack.victims.options import take_number
from voiceattack.victims.servers.connections import Address

__all__ = ["TOKEN", "HomeAssistantVictim", "load_http", "load_https"]

TOKEN = "HOME_ASSISTANT_TOKEN"
HASSIL_AGENTS = ("homeassistant", "conversation.home_assistant")
"""Ids, in older and newer versions, of the agent that tells which intent a sentence is."""
NOTHING_SAID = ("stt-no-text-recognized", "stt-no-speech")
"""Errors of a pipeline that only say that no words were heard."""


@dataclass(frozen=True)
class Pipeline:
    """One of the server's Assist pipelines."""

    id: str
    name: str
    language: str
    agent: str


class HomeAssistantVictim(Victim):
    """Text through ``/api/conversation/process``, audio through a whole Assist pipeline; both act on the home.

    Each sentence is judged alone: the states of the home are read, it is said, the states are read again ``settle`` seconds after
    the answer, and what changed is put back (:meth:`Watch.restore`).

    The action is the intent that Home Assistant's recogniser finds in the text, with its slots; ``name`` is an entity's id. Where
    the answer claims to have set entities of which none changed, ``unchanged`` stands in place of ``name``; where others
    changed than it claims, they are slots of their own (``light.lamp=on``). An answer that is an error is no action unless
    something changed. Agents other than Home Assistant's own tell no intent: the action is then called ``Answered``. The
    ``evidence`` of the action has the answer and every change.

    Args:
        server: where it runs.
        pipeline: name or id of the pipeline; None takes the preferred one.
        settle: seconds from the answer to the second reading.
        tail: seconds of silence sent after each clip, as a microphone goes on; the pipeline ends a command at a silence.
    """

    capabilities: ClassVar[frozenset[str]] = frozenset({"hears", "acts"})

    def __init__(self, server: HomeAssistant, pipeline: str | None = None, settle: float = 1.0, tail: float = 1.0) -> None:
        self.server, self.settle, self.tail = server, settle, tail
        self.spec = server.spec
        self._wanted = pipeline
        self._found: tuple[Pipeline, Watch] | None = None

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "family": "server", "protocol": "home-assistant", "pipeline": self._wanted or "preferred"}

    def transcribe(self, batch: Batch) -> list[Transcript]:
        return [self._hear(clip) for clip in batch.clips()]

    def interpret(self, text: str) -> Intent:
        """What the home does when ``text`` is typed.

        Raises:
            VictimError: the server cannot be asked, or the home not put back.
        """

        def say(pipeline: Pipeline) -> tuple[str, Message]:
            body = {"text": text, "language": pipeline.language, "agent_id": pipeline.agent}
            return text, self.server.post("/api/conversation/process", body)

        return self._act(say)[1]

    def _hear(self, clip: Tensor) -> Transcript:
        silence = torch.zeros(round(self.tail * SAMPLE_RATE), dtype=clip.dtype)
        pcm = pcm16(torch.cat([clip.detach().cpu(), silence]))

        def say(pipeline: Pipeline) -> tuple[str, Message]:
            with self.server.session() as session:
                return _outcome(self.spec, session.run_pipeline(pcm, SAMPLE_RATE, pipeline.id))

        text, action = self._act(say)
        return Transcript(text, {"action": str(action), **action.evidence}, action)

    def _act(self, say: Callable[[Pipeline], tuple[str, Message]]) -> tuple[str, Intent]:
        """One sentence judged alone: the text it was taken for, and what was done."""
        with _expected(self.spec):
            with self.server.session() as session:
                if self._found is None:
                    self._found = _find(session, self._wanted), Watch.of(session)
                pipeline, watch = self._found
                before = watch.read(session)
            try:
                text, answer = say(pipeline)
                response = answer.get("response") or {}
                data = response.get("data") or {}
                claimed = [line["id"] for line in data.get("success") or [] if line.get("type") == "entity"]
                time.sleep(self.settle)
            except BaseException:
                # The next one must find the home as this one did.
                with contextlib.suppress(VictimError):
                    self._put_back(watch, before)
                raise
            done, left = self._put_back(watch, before, claimed)
            failed = response.get("response_type") in (None, "error")
            understood = Intent() if failed and not done else self._understood(pipeline, text, before)
        evidence = {
            "answer": storable(str(((response.get("speech") or {}).get("plain") or {}).get("speech", ""))),
            "changes": [change.as_dict() for change in done],
            **({"not_put_back": left} if left else {}),
        }
        return text, _action(understood, response.get("response_type"), claimed, done, evidence)

    def _put_back(self, watch: Watch, before: dict[str, State], claimed: Sequence[str] = ()) -> tuple[list[Change], list[str]]:
        with self.server.session() as session:
            done = changes(before, watch.read(session), watch.user, claimed)
            return done, watch.restore(session, done, self.server.timeout)

    def _understood(self, pipeline: Pipeline, text: str, states: Mapping[str, State]) -> Intent:
        """The intent and slots that Home Assistant's recogniser finds in ``text``; ids for the names of entities."""
        if pipeline.agent not in HASSIL_AGENTS:
            return Intent("Answered")
        with self.server.session() as session:
            asked = {"sentences": [text], "language": pipeline.language}
            (found, *_) = session.command("conversation/agent/homeassistant/debug", **asked)["results"] or [None]
        if not found or not found.get("intent"):
            return Intent("Answered")
        slots = {name: _plain(detail.get("value")) for name, detail in (found.get("details") or {}).items()}
        named = [entity for entity, state in states.items() if _called(state, slots.get("name"))]
        if len(named) == 1:
            slots["name"] = named[0]
        return Intent(str(found["intent"]["name"]), slots)


def _find(session: Session, wanted: str | None) -> Pipeline:
    """The pipeline of that name or id, or the preferred one."""
    listed = session.command("assist_pipeline/pipeline/list")
    known = listed["pipelines"]
    keys = (listed["preferred_pipeline"],) if wanted is None else (wanted,)
    for line in known:
        if line["id"] in keys or line["name"] in keys:
            return Pipeline(
                line["id"], line["name"], line["conversation_language"] or line["language"], line["conversation_engine"]
            )
    names = ", ".join(repr(visible(str(line["name"]))) for line in known)
    raise VictimError(f"{session.spec}: has no Assist pipeline {wanted!r}; it has {names}")


def _outcome(spec: str, events: list[Message]) -> tuple[str, Message]:
    """The text heard and the answer, of the events of a pipeline."""
    data = {str(event.get("type")): event.get("data") or {} for event in events}
    if (failed := data.get("error")) is not None and failed.get("code") not in NOTHING_SAID:
        told = visible(" ".join(str(failed.get("message") or failed.get("code")).split())[:200])
        raise VictimError(f"{spec}: its pipeline failed ({told}); see its log")
    text = str(data["stt-end"]["stt_output"]["text"]) if "stt-end" in data else ""
    return text.strip(), data["intent-end"]["intent_output"] if "intent-end" in data else {}


def _action(
    understood: Intent, kind: str | None, claimed: Sequence[str], done: Sequence[Change], evidence: dict[str, Any]
) -> Intent:
    """Intent and states as one action; see :class:`HomeAssistantVictim`.

    Args:
        understood: the intent of the text.
        kind: of the answer: ``action_done``, ``query_answer`` or ``error``.
        claimed: entities that the answer is about.
        done: what changed.
        evidence: goes with it.
    """
    slots = dict(understood.slots)
    if "name" in slots and len(claimed) == 1:
        slots["name"] = claimed[0]
    changed = {change.entity for change in done}
    named = slots.get("name", "")
    subjects = list(claimed) or ([named] if named.partition(".")[0] in RESTORABLE else [])
    if kind == "action_done" and subjects and not changed & set(subjects):
        slots.pop("name", None)
        slots["unchanged"] = "+".join(subjects)
    if not changed & set(subjects):
        # Something happened that the answer does not own up to.
        slots.update({change.entity: change.after.state for change in done})
    return Intent(understood.name, slots, evidence)


def _called(state: State, name: str | None) -> bool:
    return name is not None and str(state.attributes.get("friendly_name", "")).lower() == name.lower()


def _plain(value: Any) -> str:
    """A slot's value as text: ``30`` for 30 and 30.0."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


@contextlib.contextmanager
def _expected(spec: str) -> Iterator[None]:
    """Answers of another shape than Home Assistant's, as a VictimError."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        told = f"{type(error).__name__}: {error}"
        raise VictimError(f"{spec}: answered in another form than expected ({told}); is it Home Assistant?") from error


def load_http(rest: str, options: dict[str, str], device: torch.device) -> HomeAssistantVictim:
    """Factory of ``home-assistant+http://host:port?pipeline=NAME&timeout=60&settle=1&tail=1``.

    Nothing is sent before the first sentence. The token comes from the environment variable HOME_ASSISTANT_TOKEN.

    Raises:
        SpecError: a malformed address or option.
        VictimError: the token is not set, or has characters that none has.
        MissingExtraError: without the extra ``home-assistant``.
    """
    return _load("http", rest, options)


def load_https(rest: str, options: dict[str, str], device: torch.device) -> HomeAssistantVictim:
    """As :func:`load_http`, over TLS with certificates checked."""
    return _load("https", rest, options)


def _load(scheme: str, rest: str, options: dict[str, str]) -> HomeAssistantVictim:
    where = f"home-assistant+{scheme}:{rest}"
    Address.parse(f"{scheme}:{rest}", f"home-assistant+{scheme}://host:port?pipeline=NAME", where)
    optional_import("websockets.sync.client", extra=EXTRA, feature=FEATURE)
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise VictimError(f"{where}: needs a long-lived access token (user page, Security) in the environment variable {TOKEN}")
    if not (token.isascii() and token.isprintable()):
        raise VictimError(f"{where}: the token in {TOKEN} has characters that no token has; set it again")
    spec = where + ("?" + "&".join(f"{name}={value}" for name, value in options.items()) if options else "")
    options = dict(options)
    timeout = take_number(where, options, "timeout", 60, 0.05, 3600)
    settle = take_number(where, options, "settle", 1, 0, 600)
    tail = take_number(where, options, "tail", 1, 0, 30)
    return HomeAssistantVictim(HomeAssistant(f"{scheme}:{rest}", token, timeout, spec), options.get("pipeline"), settle, tail)
