"""What looks the same has one picture, and what does not has another."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dambench_hub.leaderboard.accounts.look_alikes import picture

SAME = [
    ["Background", "background", "BACKGROUND", "back ground", "back-ground", "b\u00e0ckground"],
    ["background", "b\u0430ckgr\u043eund", "\u0412ACKGROUND", "\u0392ackground"],
    ["background", "\uff42\uff41\uff43\uff4b\uff47\uff52\uff4f\uff55\uff4e\uff44"],
    [
        "background",
        "\u0299\u1d00\u1d04\u1d0b\u0262\u0280\u1d0f\u1d1c\u0274\u1d05",
        "\U0001d41background",
    ],
    ["background", "\u0185ackground", "\u15afackground", "\ua4d0ackground", "bac\u0138ground"],
    ["background", "backgr\u03c3und", "backgr\u04e7und", "backgr\u00f8und", "backgr\u0966und"],
    ["background", "\u13cfackground", "b\U000102a0ckground", "background\u0301\u0302"],
    ["background", "backgroun\ua4d2", "background\u0903", "\u0181ackgroun\u0110"],
    ["vae_var", "v\u00e6_var"],
    ["optimal_interpolation", "0ptimal interpo1ation", "opt\u0131mal_\u0456nterpolation"],
    ["slams", "\u0455lam\u0455", "slarns"],
]
OTHERS = [
    "background",
    "background 2",
    "fnp",
    "fnp, seed 2",
    "vae_var",
    "var",
    "adas",
    "\u5927\u6c17",
    *("\u0915\u093e", "\u0915\u093f", "\u0915\u0941", "\u0915\u0942", "\u0915"),
    *("\u0e01\u0e34", "\u0e01\u0e35", "\u0e01\u0e38"),
]


@pytest.mark.parametrize("names", SAME, ids=lambda names: names[0])
def test_look_alikes_have_one_picture(names):
    assert len(set(map(picture, names))) == 1


def test_other_names_have_others():
    assert len(set(map(picture, OTHERS))) == len(OTHERS)


@given(st.text(max_size=80))
def test_neither_case_nor_the_form_of_unicode_changes_a_picture(name):
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert picture(unicodedata.normalize(form, name)) == picture(name)
    assert picture(f" {name}_") == picture(name)
