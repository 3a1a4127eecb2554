"""Many runs of a suite in a row: each gate's figure over them, when it changed, and which cases cannot make up their mind."""

from voiceattack.history.cases import Flaky
from voiceattack.history.changes import Change
from voiceattack.history.gather import find_summaries, read_runs
from voiceattack.history.history import History, histories
from voiceattack.history.past import PastRun, read_past_run
from voiceattack.history.series import Series

__all__ = ["Change", "Flaky", "History", "PastRun", "Series", "find_summaries", "histories", "read_past_run", "read_runs"]
