"""Corruptions: what happens to speech without an attacker. A class, a line of ``severities.csv`` and a registration line each.

After Speech Robust Bench (Shah et al. 2024, "Speech Robust Bench: A Robustness Benchmark For Speech Recognition"), whose names
and severities the table holds, with telephony, codecs, lost packets, quantisation and masks in the same form. What differs:
every draw is seeded and recorded, and nothing needs the SoX program.
"""

from __future__ import annotations

from typing import Any

from voiceattack.registry import Registry

__all__ = ["CORRUPTIONS", "SCHEME"]

SCHEME = "corruption"
CORRUPTIONS: Registry[Any] = Registry("corruption", group="voiceattack.corruptions")

_HERE = "voiceattack.attacks.corruptions"
CORRUPTIONS.add("gaussian_noise", f"{_HERE}.noises:GaussianNoise", "white noise, dB SNR")
CORRUPTIONS.add("environmental_noise", f"{_HERE}.noises:EnvironmentalNoise", "recordings of your own or a stand-in, dB SNR")
CORRUPTIONS.add("music", f"{_HERE}.noises:Music", "recordings of your own or plucked chords, dB SNR")
CORRUPTIONS.add("crosstalk", f"{_HERE}.noises:Crosstalk", "another utterance of the corpus, dB SNR")
CORRUPTIONS.add("speed_up", f"{_HERE}.timing:SpeedUp", "played faster, pitch and all")
CORRUPTIONS.add("slow_down", f"{_HERE}.timing:SlowDown", "played slower, pitch and all")
CORRUPTIONS.add("tempo_up", f"{_HERE}.timing:TempoUp", "spoken faster, pitch kept")
CORRUPTIONS.add("tempo_down", f"{_HERE}.timing:TempoDown", "spoken slower, pitch kept")
CORRUPTIONS.add("pitch_up", f"{_HERE}.timing:PitchUp", "a higher voice, tempo kept, semitones")
CORRUPTIONS.add("pitch_down", f"{_HERE}.timing:PitchDown", "a lower voice, tempo kept, semitones")
CORRUPTIONS.add("resample", f"{_HERE}.filters:Resample", "to a lower rate and back")
CORRUPTIONS.add("gain", f"{_HERE}.filters:Gain", "amplified and clipped")
CORRUPTIONS.add("echo", f"{_HERE}.effects:Echo", "one echo, ms")
CORRUPTIONS.add("phaser", f"{_HERE}.effects:Phaser", "a swept comb, decay")
CORRUPTIONS.add("lowpass", f"{_HERE}.filters:Lowpass", "second-order low-pass, Hz")
CORRUPTIONS.add("highpass", f"{_HERE}.filters:Highpass", "second-order high-pass, Hz")
CORRUPTIONS.add("tremolo", f"{_HERE}.effects:Tremolo", "loudness swinging at 20 Hz, % depth")
CORRUPTIONS.add("treble", f"{_HERE}.filters:Treble", "high shelf raised, dB")
CORRUPTIONS.add("bass", f"{_HERE}.filters:Bass", "low shelf raised, dB")
CORRUPTIONS.add("chorus", f"{_HERE}.effects:Chorus", "a second, wavering voice, ms")
CORRUPTIONS.add("reverberation", f"{_HERE}.rooms:Reverberation", "a simulated room, s RT60", requires="rooms")
CORRUPTIONS.add("telephone", f"{_HERE}.codecs:Telephone", "8 kHz mu-law with lost packets, %")
CORRUPTIONS.add("gsm", f"{_HERE}.codecs:GSM", "GSM 06.10 with lost packets, %")
CORRUPTIONS.add("mp3", f"{_HERE}.codecs:MP3", "MP3, kbit/s")
CORRUPTIONS.add("opus", f"{_HERE}.codecs:Opus", "Opus, kbit/s")
CORRUPTIONS.add("vorbis", f"{_HERE}.codecs:Vorbis", "Vorbis, quality")
CORRUPTIONS.add("packet_loss", f"{_HERE}.losses:PacketLoss", "lost packets replaced by silence, %")
CORRUPTIONS.add("packet_loss_concealed", f"{_HERE}.losses:PacketLossConcealed", "lost packets concealed, %")
CORRUPTIONS.add("quantization", f"{_HERE}.losses:Quantization", "fewer bits a sample")
CORRUPTIONS.add("time_mask", f"{_HERE}.losses:TimeMask", "100 ms stretches silenced, % of the clip")
