"""Languages: what names one, what the normaliser keeps of it, in which unit its errors count; every victim asks one resolver."""

# ruff: noqa: RUF001 - letters that look alike are what it is about
from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from speech_server import serving
from speechlike import in_process, tones, write_clips
from suite_fixture import run as run_suite
from suite_fixture import summary as suite_summary
from suite_fixture import write_suite
from whisper_normalizer.english import EnglishTextNormalizer

from voiceattack.audio import Batch
from voiceattack.compare.differences import compare
from voiceattack.compare.snapshots import load_snapshot
from voiceattack.errors import SpecError
from voiceattack.languages import error_unit, language_code, model_code
from voiceattack.metrics.terms import term_errors
from voiceattack.metrics.text import NORMALIZER, cer, letters, normalize, spaced, tokens_as_said, wer
from voiceattack.objectives import Objective
from voiceattack.report.console import normalizer_of, summary_table
from voiceattack.runs import Run
from voiceattack.runs.provenance import environment
from voiceattack.victims import load_victim
from voiceattack.victims.whisper.victim import WhisperVictim

CASES = [json.loads(line) for line in (Path(__file__).parent / "data" / "words.jsonl").read_text("utf-8").splitlines()]
SAMPLES = Path(__file__).parents[1] / "samples"
# Two sentences that differ in what is easily lost: vowel signs, points, tones, a dot, an accent, voicing, a character.
DIFFERENT = {
    "hi": ("यह किताब है", "यह कुताबा ह"),
    "bn": ("আমি বই পড়ি", "আমি বউ পড়া"),
    "ta": ("கிளி பேசுகிறது", "களி பேசுகிறது"),
    "te": ("కలం ఇవ్వు", "కాలం ఇవ్వు"),
    "th": ("ใครขายไข่ไก่", "ใครขายไขไก"),
    "my": ("ကောင်းတယ်", "ကင်းတယ"),
    "km": ("ខ្ញុំទៅផ្ទះ", "ខ្ញំទៅផ្ទុះ"),
    "lo": ("ຂ້ອຍໄປຕະຫຼາດ", "ຂອຍໄປຕາຫຼາດ"),
    "ar": ("كَتَبَ الوَلَدُ", "كُتِبَ الوَلَدُ"),
    "he": ("סֵפֶר טוב", "סַפָּר טוב"),
    "fa": ("مَرد آمد", "مُرد آمد"),
    "tr": ("kız sıkıldı", "kiz sikildi"),
    "ru": ("все пришли домой", "всё пришли домой"),
    "ko": ("불을 켜 주세요", "물을 켜 주세요"),
    "ja": ("かぎをあけて", "かきをあけて"),
    "zh": ("打开厨房的灯", "打开厨房的门"),
    "vi": ("mở đèn bếp", "mơ đen bép"),
    "de": ("schöne Tür", "schone Tur"),
    "fr": ("il a pêché", "il a péché"),
    "es": ("el año nuevo", "el ano nuevo"),
}


@pytest.mark.parametrize("language", DIFFERENT)
def test_different_sentences_stay_different_and_a_sentence_equals_itself(language: str) -> None:
    one, two = (normalize(text, language) for text in DIFFERENT[language])
    assert one != two and wer(one, two) > 0 and cer(one, two, language) > 0
    for text in DIFFERENT[language]:
        forms = {normalize(unicodedata.normalize(form, text), language) for form in ("NFC", "NFD", "NFKC", "NFKD")}
        assert len(forms) == 1 and wer(forms.pop(), normalize(f" {text}。 ", language)) == 0
    objective = Objective("targeted", DIFFERENT[language][0], language=language)
    assert objective.succeeded("", DIFFERENT[language][0]) and not objective.succeeded("", DIFFERENT[language][1])


def test_case_of_the_dotted_i() -> None:
    assert normalize("İSTANBUL IŞIK", "tr") == normalize("istanbul ışık", "tr-TR") == "istanbul ışık"
    assert normalize("I\u0307stanbul", "tr") == normalize("İstanbul", "az") == "istanbul"


def test_what_is_no_part_of_a_word_is_no_word() -> None:
    assert normalize("hallo ❤️ 1️⃣", "de") == "hallo 1"
    assert normalize("\u200fשלום\u200e", "he") == "שלום" and normalize("می\u200cروم", "fa") == "میروم"
    assert normalize("សួស្តី\u200bពិភព", "km") == normalize("សួស្តី ពិភព", "km") == normalize("សួស្តីពិភព", "km")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['language']}: {case['reference'][:20]}")
def test_reported_cases(case: dict[str, Any]) -> None:
    said, heard = (normalize(case[key], case["language"]) for key in ("reference", "heard"))
    if case["want"].startswith("not equal"):
        assert wer(said, heard) > 0
    elif "critical_terms" not in case:
        assert wer(said, heard) == 0
        assert Objective("targeted", case["reference"]).succeeded("", case["heard"])
    else:
        missed, count = term_errors(case["reference"], case["heard"], case["critical_terms"], case["language"])
        told = {"one term said, none heard": (1, 1), "two said, two heard": (0, 2), "two said, one heard": (1, 2)}
        assert (missed, count) == told[case["want"]]


@pytest.mark.parametrize("mark", "\u2019\u02bc\uff07\u2018\u201b\u02bb`\u00b4\u2032")
def test_typographic_apostrophes(mark: str) -> None:
    assert normalize(f"Don{mark}t say it{mark}s John{mark}s") == normalize("Don't say it's John's")
    assert normalize(f"l{mark}eau", "fr") == normalize("l'eau", "fr")
    assert normalize(f"п{mark}ять", "uk") == normalize("п'ять", "uk")
    assert tokens_as_said(f"seven o{mark}clock") == ["seven", "o", "clock"]


def test_a_target_with_a_typographic_apostrophe_can_be_spelt(whisper: WhisperVictim) -> None:
    tiny: Any = load_victim("tiny", "cpu")
    tiny.check_target("Don\u2019t open")
    assert tiny.vocabulary.encode("Don\u2019t") == tiny.vocabulary.encode("Don't")
    assert whisper.target_variants("don\u2019t open")[:2] == ["Don't open.", "Don't open"]


TYPICAL = (
    "I'll dim it to 30%, don't worry - it's £4.50 or $20, isn't it?",
    "Mr. Smith's colour TV at seven o'clock, half past two, on the 3rd of May 1999",
    "Um, turn it [music] (laughs) down; “please”, ‘now’ — naïve café résumé",
    "one hundred and twenty three point five; twenty-one; double oh seven; two and a half",
    "",
    " ... ",
    "We're gonna wanna go, y'all'd've can't won't",
)


def test_english_is_as_before() -> None:
    before = EnglishTextNormalizer()
    lines = [json.loads(line)["text"] for line in (SAMPLES / "manifest.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) > 3
    for text in (*lines, *TYPICAL):
        folded = before(text).strip()
        assert normalize(text) == (folded if any(c.isalnum() for c in folded) else ""), text


@settings(max_examples=200, deadline=None)
@hypothesis.given(st.text(alphabet=st.characters(max_codepoint=0x17F, exclude_characters="`\u00b4\u0149"), max_size=40))
def test_english_is_as_before_for_any_latin_text(text: str) -> None:
    folded = EnglishTextNormalizer()(text).strip()
    assert normalize(text) == (folded if any(c.isalnum() for c in folded) else "")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        *((name, "en") for name in ("en", "EN", "en-US", "en_GB", "eng", "English", " english ", "en_US.UTF-8")),
        *((name, "zh") for name in ("zh", "zh-TW", "zh-Hant-HK", "Chinese", "mandarin", "zho")),
        *(("pt_BR", "pt"), ("iw", "he"), ("Hebrew", "he"), ("cantonese", "yue"), ("lao", "lo"), ("Burmese", "my"), ("nb", "nb")),
    ],
)
def test_names_of_languages(given: str, code: str) -> None:
    assert language_code(given) == code
    assert normalize("It's 30%", given) == normalize("It's 30%", code)


@pytest.mark.parametrize("given", ["klingon", "", "auto", "xx", "und", "mul", "x-foo", "en-", "../../etc", "deutsch"])
def test_what_names_none_is_refused(given: str) -> None:
    with pytest.raises(SpecError, match=r"^here: language .* is not known; give a code as en, a tag as pt-BR, or a name as Eng"):
        language_code(given, "here")
    for use in (lambda: normalize("a", given), lambda: error_unit(given), lambda: model_code(given, ["en"], "here")):
        with pytest.raises(SpecError):
            use()


def test_the_code_that_a_model_has() -> None:
    assert model_code("English", ["en", "fr"], "m") == "en" and model_code("zh-TW", ["zh"], "m") == "zh"
    for given_, own in (("nb", "no"), ("jv", "jw"), ("jw", "jw")):
        assert model_code(given_, [own], "m") == own
    assert model_code("pt_br", ["pt", "pt-BR"], "m") == "pt-BR" and model_code("fil", ["tl"], "m") == "tl"
    for given, known in (("fr", ["en"]), ("gsw", ["de"]), ("af", ["nl"])):
        with pytest.raises(SpecError, match=r"^m: language=.* is not one of the model's; it has: "):
            model_code(given, known, "m")


SPECS = (
    *(
        "command:cat {{audio}}?language={}",
        "wyoming://127.0.0.1:1?language={}",
        "openai+http://127.0.0.1:1/v1?model=m&language={}",
    ),
    *("vosk:x?language={}", "sherpa-onnx:x?language={}", "hf:./x?language={}", "ctranslate2:whisper-tiny.en?language={}"),
    *("faster-whisper:whisper-tiny.en?language={}", "intents:home?language={}", "assistant:home?language={}"),
)


@pytest.mark.parametrize("spec", SPECS)
def test_every_victim_refuses_what_is_no_language(spec: str) -> None:
    for wrong in ("klingon", "../../secret", ""):
        with pytest.raises(SpecError, match="is not known; give a code as en"):
            load_victim(spec.format(wrong), "cpu")


@pytest.mark.parametrize("spec", [SPECS[0], SPECS[1], SPECS[2], SPECS[6], SPECS[7], SPECS[8]])
def test_every_victim_takes_a_tag(spec: str) -> None:
    for module, name in (("ctranslate2", "ctranslate2:"), ("faster_whisper", "faster-"), ("hassil", "intents:")):
        if spec.startswith(name):
            pytest.importorskip(module)
    assert load_victim(spec.format("en-US"), "cpu").language == "en"
    assert load_victim(spec.format("English"), "cpu").language == "en"


def test_sentences_of_a_region() -> None:
    pytest.importorskip("home_assistant_intents")
    pytest.importorskip("hassil")
    assert load_victim("intents:home?language=pt_BR", "cpu").language == "pt"
    with pytest.raises(SpecError, match="is not one of the model's"):
        load_victim("intents:home?language=yo", "cpu")


def test_a_server_is_asked_as_the_user_wrote() -> None:
    with serving("openai") as server:
        victim = load_victim(server.spec("language=pt-BR"), "cpu")
        victim.transcribe(Batch.of([tones(1)]))
        assert victim.language == "pt" and server.requests[0].fields["language"] == "pt-BR"


def test_the_language_of_texts(tmp_path: Path) -> None:
    asked = ("text", "Turn on the lamp", "--perturbation", "typos", "--out", tmp_path / "run", "--language")
    assert in_process(*asked, "en-GB").returncode == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["request"]["language"] == "en"
    done = in_process(*asked, "klingon")
    assert done.returncode == 2 and "--language: language 'klingon' is not known" in done.stderr


def test_units() -> None:
    unspaced = ("zh", "yue", "ja", "th", "lo", "my", "km", "bo", "zh-TW", "Thai")
    assert {error_unit(language) for language in unspaced} == {"character"}
    assert {error_unit(language) for language in ("en", "de", "ko", "vi", "hi", "ar", "tr", "ru", "fa", "ta")} == {"word"}
    said, heard = (normalize(text, "zh") for text in DIFFERENT["zh"])
    assert said == "打 开 厨 房 的 灯" and letters(said, "zh") == 6 and letters("a b", "en") == 3
    assert wer(said, heard) == cer(said, heard, "zh") == pytest.approx(1 / 6)
    assert spaced("打开 灯", "zh") == "打 开 灯" and spaced("a b", "en") == "a b"
    objective = Objective(wer_threshold=0.5, language="zh")
    assert not objective.succeeded("打开厨房的灯", "打开厨房的门") and objective.succeeded("打开厨房的灯", "关上窗")
    assert term_errors("打开厨房的灯", "打开厨房的门", ["厨房", "灯"], "zh") == (1, 2)


def speaker(folder: Path, text: str, language: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "asr.py").write_text(f"print({text!r}, flush=True)", encoding="utf-8")
    return f"command:{sys.executable} -X utf8 {folder / 'asr.py'} {{audio}}?language={language}"


def test_a_run_in_a_language_without_spaces(tmp_path: Path) -> None:
    """The victim hears one of six characters wrong: 1/6, not 1; the threshold, the report and the notes say so."""
    write_clips(tmp_path, 1)
    said, heard = DIFFERENT["zh"]
    (tmp_path / "m.jsonl").write_text(json.dumps({"audio_filepath": "clip0.wav", "text": said}), encoding="utf-8")
    spec = speaker(tmp_path, heard, "zh-TW")
    asked = ("--victim", spec, "--attack", "noise", "--snr-db", "20", "--no-control", "--out", tmp_path / "run")
    done = in_process("attack", tmp_path / "m.jsonl", *asked, "-o", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "run")
    (row,) = run.results()
    assert row.language == "zh" and row.wer == row.cer == row.wer_raw == pytest.approx(1 / 6)
    (group,) = run.summary()["groups"]
    assert group["wer"] == group["cer"] == pytest.approx(1 / 6) and group["error_unit"] == "character"
    assert "count characters (CER)" in done.stdout
    assert "| CER [95%] |" in (run.path / "report.md").read_text("utf-8")
    assert "Character error rate" in (tmp_path / "page.html").read_text("utf-8")
    assert [column.header for column in summary_table(run.summary()).columns][3:5] == ["clean CER", "CER [95% CI]"]


def test_a_gate_in_a_language_without_spaces(tmp_path: Path) -> None:
    said, heard = DIFFERENT["zh"]
    victims = [{"name": "zh", "spec": speaker(tmp_path / "asr", heard, "zh")}]
    suite = write_suite(tmp_path, 1, victims=victims, gates=["wer_clean <= 0.2", "cer_clean <= 0.2"], attacks=[])
    manifest = tmp_path / "in" / "m.jsonl"
    manifest.write_text(json.dumps({"audio_filepath": "clip0.wav", "text": said}), encoding="utf-8")
    suite.write_text(suite.read_text().replace("in/clip0.wav", "in/m.jsonl"))
    code, out, err = run_suite(suite, "--trust")
    assert code == 0, (out, err)
    found = suite_summary(suite)
    assert [gate["value"] for gate in found["gates"]] == [pytest.approx(1 / 6)] * 2
    assert any("count characters (CER)" in hint for hint in found["hints"])


def test_the_normaliser_is_named_and_compared(tmp_path: Path) -> None:
    assert environment()["normalizer"] == NORMALIZER and NORMALIZER.endswith(", rules 2")
    clip = write_clips(tmp_path, 1)
    asked = ("--victim", "tiny", "--attack", "noise", "--snr-db", "20", "--no-control", "--out", tmp_path / "run")
    assert in_process("attack", *clip, *asked).returncode == 0
    run = Run.open(tmp_path / "run")
    assert run.info["normalizer"] == run.summary()["made_with"]["normalizer"] == NORMALIZER == normalizer_of(run)
    assert in_process("bless", run.path, "--baseline", tmp_path / "base.json").returncode == 0
    base = json.loads((tmp_path / "base.json").read_text())
    assert base["made_with"]["normalizer"] == NORMALIZER
    assert not compare(load_snapshot(tmp_path / "base.json"), load_snapshot(run.path)).notes
    base["made_with"]["normalizer"] = "whisper-normalizer 0.1.15"
    (tmp_path / "base.json").write_text(json.dumps(base))
    (note,) = compare(load_snapshot(tmp_path / "base.json"), load_snapshot(run.path)).notes
    assert note.startswith(f"another normaliser: whisper-normalizer 0.1.15 then, {NORMALIZER} now; error rates may differ")
    summary = run.summary()
    summary["made_with"]["normalizer"] = "whisper-normalizer 0.1.15"
    run.write_summary(summary)
    assert "evaluate the run again" in normalizer_of(run)
    assert in_process("evaluate", run.path).returncode == 0 and normalizer_of(run) == NORMALIZER, "evaluated with this version"
