"""Characters that are not what they seem are found, wherever they stand."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.runtime.honest_text import dishonest_character, named, quoted

HIDDEN = ["\u200b", "\u202e", "\ufeff", "\u00ad", "\u3164", "\ufe0f", "\ud800", "\ufffd", "\x1b"]


@pytest.mark.parametrize("character", [*HIDDEN, "\n"], ids=ascii)
@pytest.mark.parametrize("before", ["", "FNP "])
def test_what_is_hidden_is_found(before, character):
    assert dishonest_character(f"{before}{character}x") == character
    assert named(character).isprintable()


def test_accents_pile_up_to_two():
    assert dishonest_character("a\u0301\u0323") is None
    assert dishonest_character("a" + "\u0301" * 3) == "\u0301"
    assert dishonest_character("\u0301a") == "\u0301"


def test_what_is_allowed_passes():
    assert dishonest_character("one\ntwo", allowed="\n") is None
    assert dishonest_character("Müller's 4D-Var: 大気同化, العربية, ग्रिड <b>~|") is None


@given(st.text(max_size=50))
def test_what_passes_is_printed_as_it_is(text):
    text = unicodedata.normalize("NFC", text)
    if dishonest_character(text) is None:
        assert text.isprintable()
    assert quoted(text).isprintable() and len(quoted(text)) <= 60
