"""``synonyms``: a word for one that means nearly the same, as long as the sentence keeps its meaning."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from voiceattack.text import base
from voiceattack.text.edits import Edit, Word
from voiceattack.text.measures.meaning import meaning_kept
from voiceattack.text.perturbations import near_words, wordnet
from voiceattack.text.perturbations.homophones import cased
from voiceattack.text.perturbations.word_classes import FUNCTION_WORDS

__all__ = ["Synonyms"]


class Synonyms(base.Perturbation):
    """Words of the same WordNet synset, or by default the nearest words by embedding, where the sentence keeps its meaning.

    TextFooler (Jin et al. 2020) takes the nearest of counter-fitted word vectors and a sentence encoder's word for it. Those
    vectors are not to be had offline: by default the shortlist is of the sentence encoder's own word vectors, which do not tell
    opposites from synonyms, so that known opposites, numbers and colours are left out
    (:mod:`voiceattack.text.perturbations.near_words`). With ``wordnet`` the candidates are synonyms by a dictionary, as PWWS
    takes them (Ren et al. 2019).
    """

    name: ClassVar[str] = "synonyms"
    summary: ClassVar[str] = "a word that means nearly the same"
    languages: ClassVar[frozenset[str] | None] = near_words.LANGUAGES

    class Params(base.Params):
        """Parameters of ``synonyms``.

        Attributes:
            wordnet: folder of Princeton WordNet's files (``index.noun``, ``data.noun``, ...), for example /usr/share/wordnet of
                Debian's wordnet-base or NLTK's corpora/wordnet; empty for the nearest words by embedding.
            senses: how many of a word's senses are looked up in WordNet, the commonest first, for each part of speech.
            least_alike: least cosine of the two words' embeddings, -1 to 1, where there is no WordNet.
            min_similarity: least cosine of the sentences' embeddings, -1 to 1.
            each: most words tried for one.
        """

        wordnet: str = ""
        senses: int = Field(default=2, ge=1)
        least_alike: float = Field(default=0.55, ge=-1, le=1)
        min_similarity: float = Field(default=0.8, ge=-1, le=1)
        each: int = Field(default=8, ge=1)

    config: Params

    def options(self, text: str, words: list[Word], index: int) -> list[Edit]:
        word = words[index]
        low = word.text.lower()
        if low in FUNCTION_WORDS:
            return []
        if self.config.wordnet:
            known = wordnet.synonyms(self.config.wordnet, low, self.config.senses)
            found = [other for other in known if near_words.is_other(low, other)]
        else:
            found = near_words.nearest(low, self.config.least_alike)
        edits = [Edit(word.start, word.end, word.text, cased(other, word.text)) for other in found]
        return meaning_kept(text, edits, self.config.min_similarity)[: self.config.each]
