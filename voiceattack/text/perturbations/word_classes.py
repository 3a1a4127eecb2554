"""Closed classes of English words: a word of one is never a synonym of another, though an embedding puts them near."""

from __future__ import annotations

__all__ = ["COLOURS", "FUNCTION_WORDS", "OPPOSITES"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTION_WORDS = _words(
    """
    a an the this that these those my your his her its our their i you he she it we they me him us them and or but not
    no if then than as at by for from in into of off on onto out over to under up with is are was were be been am do
    does did have has had will would can could shall should may might must there here what which who whom whose when
    where why how any all some each every much many more most few less least other such only own same so too very
    """
)
"""Words that say how others hang together; they have no synonyms."""

COLOURS = _words("red orange yellow green blue purple violet pink brown black white grey gray")

_PAIRS = """
    on off | up down | in out | open close | open closed | open shut | opened closed | lock unlock | locked unlocked |
    start stop | start end | begin end | begin stop | start finish | front back | front rear | front behind |
    first last | left right | upstairs downstairs | upper lower | top bottom | raise lower | increase decrease |
    more less | most least | louder quieter | loud quiet | hot cold | warm cool | warmer cooler | heat cool |
    bright dark | brighter dimmer | light dark | day night | morning evening | today tomorrow | today yesterday |
    add remove | show hide | play pause | pause resume | pause continue | enable disable | activate deactivate |
    connect disconnect | yes no | always never | all none | every no | all some | any none | before after | early late
    | long short | high low | big small | slow fast | slower faster | inside outside | arm disarm | mute unmute |
    north south | east west | indoor outdoor | entrance exit | enter leave | come go | give take | buy sell | win lose
    | love hate | good bad | new old
"""
OPPOSITES = frozenset(map(_words, _PAIRS.split("|")))
