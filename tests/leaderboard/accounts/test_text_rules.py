"""Names are what they seem to be: nothing invisible, nothing that turns its neighbours round."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.text_rules import check_description, check_name, check_url

GOOD = [
    "FNP",
    "fnp, seed 2 (v1.0)",
    "Müller's 4D-Var",
    "大気同化",
    "العربية",
    "ग्रिड",
    "ViT-B/16 @ 0.25 #3",
    "=1+1",
]
BAD = {
    "nothing": "",
    "spaces": "   ",
    "only punctuation": "...",
    "too long": "x" * 81,
    "line break": "a\nb",
    "tab": "a\tb",
    "null": "a\0b",
    "escape": "a\x1b[31mb",
    "right to left override": "a\u202eb",
    "isolate": "a\u2066b",
    "zero width space": "a\u200bb",
    "zero width joiner": "a\u200db",
    "byte order mark": "a\ufeffb",
    "soft hyphen": "a\u00adb",
    "hangul filler": "a\u3164b",
    "variation selector": "a\ufe0fb",
    "private use": "a\ue000b",
    "surrogate": "a\ud800b",
    "no-break space": "a\u00a0b",
    "tag": "<b>x</b>",
    "quote": 'a" onload="x',
    "template": "{{7*7}}",
    "dollar": "$x$",
    "backslash": "a\\b",
    "bar": "a|b",
    "emoji": "a\N{GRINNING FACE}",
    "accents piled up": "a" + "\u0301" * 4,
    "accent on nothing": "\u0301a",
    "tag character": "a\U000e0041",
}


@pytest.mark.parametrize("name", GOOD)
def test_names_that_people_have_are_kept(name):
    assert check_name(f"  {name} ") == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("name", BAD.values(), ids=BAD)
def test_names_that_cannot_be_shown_honestly_are_refused(name):
    with pytest.raises(DambenchError) as refused:
        check_name(name)
    assert str(refused.value).isprintable()


def test_one_name_has_one_form():
    assert check_name("Mu\u0308ller") == check_name("M\u00fcller")


@given(st.text(max_size=100))
def test_what_is_accepted_is_harmless_text(text):
    try:
        name = check_name(text)
    except DambenchError as refused:
        assert str(refused).isprintable()
        return
    assert check_name(name) == name
    assert name.isprintable() and 1 <= len(name) <= 80
    assert not set(name) & set('<>"\\$%{}[]|~^!?')
    for character in name:
        assert unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


@given(st.text(max_size=200))
def test_descriptions_may_have_lines_and_nothing_hidden(text):
    try:
        description = check_description(text)
    except DambenchError:
        return
    assert check_description(description) == description
    assert all(line.isprintable() for line in description.split("\n"))


def test_a_description_has_an_end():
    assert check_description("One.\r\nTwo < three.") == "One.\nTwo < three."
    with pytest.raises(DambenchError, match="at most 2000 characters"):
        check_description("x" * 2001)


@pytest.mark.parametrize(
    "url",
    ["https://arxiv.org/abs/1902.02160", "https://huggingface.co/org/fnp?x=1&y=2#top", ""],
)
def test_plain_https_addresses_are_links(url):
    assert check_url(f" {url} ") == (url or None)


@pytest.mark.parametrize(
    "url",
    [
        "http://arxiv.org",
        "javascript:alert(1)",
        "https://",
        "https://localhost/x",
        "https://127.0.0.1/x",
        "https://[::1]/",
        "https://2130706433/",
        "https://a.org:8080/",
        "https://user:secret@a.org/",
        "https://a.org@b.org/",
        "https://a.org/ x",
        'https://a.org/"onclick="x',
        "https://a.org/<b>",
        "https://a.org/\u202e",
        "https://a.org/\\b",
        "https://a.org/" + "x" * 600,
        "//a.org",
        "file:///etc/passwd",
        "HTTPS://a.org/`x`",
    ],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(DambenchError, match="https"):
        check_url(url)
