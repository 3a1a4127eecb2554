"""What stands at the end of each command's ``--help``: what one wants, and the line that does it."""

from __future__ import annotations

__all__ = ["EXAMPLES"]

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("attack bundled speech, and see what comes of it", "voiceattack demo"),
        ("the options of a command, with examples", "voiceattack attack --help"),
    ),
    "demo": (
        ("the whole loop on bundled speech", "voiceattack demo"),
        ("a quicker look", "voiceattack demo --steps 20 --out quick"),
    ),
    "attack": (
        ("make the bundled Whisper mishear your clips", "voiceattack attack clips/ --snr-db 30 --out run"),
        (
            "make it hear one sentence, and show the result as a page",
            "voiceattack attack clip.wav --attack cw \\\n    --target 'open the door' -o report.html",
        ),
        ("what it would cost", "voiceattack attack clips/ --steps 200 --dry-run"),
        (
            "the smallest change that works, for a curve over SNR",
            "voiceattack attack clips/ --attack minimum-norm --out run-curve",
        ),
    ),
    "fit": (
        ("one segment that mutes every clip it stands before", "voiceattack fit clips/ --mute --out universal.flac"),
        (
            "then use it on other clips",
            "voiceattack attack others/ --attack universal --artefact universal.flac",
        ),
    ),
    "evaluate": (
        ("do the artefacts fool another recogniser too?", "voiceattack evaluate run --victim vosk:models/vosk"),
        ("judge also by words that must be right", "voiceattack evaluate run --critical-terms stop,brake"),
    ),
    "report": (
        ("the report as one page", "voiceattack report run --format html"),
        ("and as a table elsewhere", "voiceattack report run -o results.csv"),
    ),
    "export": (
        ("a corpus for Hugging Face datasets", "voiceattack export run --out corpus"),
        (
            "only what fooled the victim, for NeMo",
            "voiceattack export run --out corpus --format nemo --fooled",
        ),
    ),
    "listen": (
        ("a blind test in this browser", "voiceattack listen run"),
        ("its results", "voiceattack listen run --results"),
        ("for people elsewhere: a folder to host", "voiceattack listen run --bundle abx"),
    ),
    "view": (
        ("look through all runs below this folder", "voiceattack view"),
        ("two runs side by side", "voiceattack view run other-run"),
    ),
    "transcribe": (
        ("what the bundled Whisper hears", "voiceattack transcribe clips/"),
        ("another recogniser, kept as a table", "voiceattack transcribe clips/ --victim hf:models/own -o heard.csv"),
    ),
    "text": (
        (
            "typing mistakes that change what an assistant does",
            "voiceattack text commands.txt --victim intents:home --perturbation typos",
        ),
        (
            "no victim: a corpus of variants",
            "voiceattack text commands.txt --perturbation homophones --variants 5",
        ),
    ),
    "speak": (
        ("speak a list of commands, one a line", "voiceattack speak commands.txt --out spoken"),
        ("more slowly", "voiceattack speak commands.txt --speaker 'hibari?speed=0.8'"),
    ),
    "confusions": (
        (
            "which command is taken for which other",
            "voiceattack confusions commands.txt --interpreter intents:home",
        ),
        ("what it would cost", "voiceattack confusions commands.txt --snr-db clean,10,5 --dry-run"),
    ),
    "prompts": (
        ("a short prompt that spoils the transcript", "voiceattack prompts clips/ --max-chars 12"),
        ("and whether it does so elsewhere", "voiceattack prompts clips/ --also whisper-base"),
    ),
    "wakeword-sweep": (
        (
            "misses against false accepts of a wake word",
            "voiceattack wakeword-sweep phrases/ --other other-speech/ \\\n    --victim wakeword:hey_jarvis",
        ),
    ),
    "corruptions": (
        ("every corruption in every degree", "voiceattack corruptions clips/ --out corruptions"),
        ("a first look", "voiceattack corruptions clips/ --limit 5 --severities 2"),
    ),
    "curve": (
        ("success and WER against SNR, of a run of minimum-norm", "voiceattack curve run-curve"),
        ("several runs in one picture", "voiceattack curve run-curve other-run --out curves"),
    ),
    "init": (
        ("a suite for the clips in this folder", "voiceattack init"),
        ("for your own server", "voiceattack init clips/ --victim 'openai+http://localhost:8000/v1?model=M'"),
    ),
    "run": (
        ("run the suite and judge its gates", "voiceattack run suite.yaml"),
        ("in CI, with JUnit for its pages", "voiceattack run suite.yaml --trust -o junit.xml"),
        ("a quarter of the clips, on each of four machines", "voiceattack run suite.yaml --shard 1/4 --out part-1"),
    ),
    "merge": (("join what four machines made", "voiceattack merge suite.yaml part-1 part-2 part-3 part-4"),),
    "compare": (
        ("is anything worse than before?", "voiceattack compare voiceattack-baseline.json suite-run"),
        (
            "with a rule of your own, and a page",
            "voiceattack compare voiceattack-baseline.json suite-run \\\n"
            "    --fail-on 'success_rate worse by more than 0.05' -o compare.html",
        ),
    ),
    "bless": (
        ("accept this run as the baseline", "voiceattack bless suite-run"),
        ("without being asked", "voiceattack bless suite-run --yes"),
    ),
    "history": (
        ("a year of runs on one page", "voiceattack history runs/"),
        ("for a program", "voiceattack history 'runs/2026-*' -o history.json"),
    ),
    "list": (
        ("what can be attacked, and what is installed", "voiceattack list victims"),
        ("how it can be attacked", "voiceattack list attacks"),
    ),
    "replay": (("craft one example again, and compare", "voiceattack replay run clip-1"),),
    "doctor": (("what is missing, and how to mend it", "voiceattack doctor"),),
}
"""By the name of the command; ``""`` is the program itself."""
