"""Tests mirror the code, the README names the rooms, and faces have what they promise."""

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dambench_hub"
SCRIPTS = ("baselines", "builders", "leaderboard_app")
TESTS = sorted(path.relative_to(ROOT / "tests") for path in ROOT.glob("tests/*/**/test_*.py"))
FACES = sorted(PACKAGE.rglob("__init__.pyi"))


@pytest.mark.parametrize("test", TESTS, ids=str)
def test_a_test_is_named_after_what_it_tests(test):
    """A module or folder, or the folder that all of them lie in; more words may follow."""
    folder = (ROOT if test.parts[0] in SCRIPTS else PACKAGE) / test.parent
    known = [folder.name, *(path.stem for path in folder.iterdir())]
    name = test.stem.removeprefix("test_")
    assert any(f"{name}_".startswith(f"{one}_") for one in known), known


def test_the_readme_names_all_rooms_and_nothing_else():
    tree = (ROOT / "README.md").read_text("utf-8").split("## The repository")[1].split("```")[1]
    rooms = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert set(re.findall(r"^  (\w+)/", tree, re.MULTILINE)) == rooms
    for name, words in re.findall(r"^ *(\w+)/ +(.*)$", tree, re.MULTILINE):
        (folder,) = [place / name for place in (ROOT, PACKAGE) if (place / name).is_dir()]
        for inside in re.findall(r"\w+(?:/|\.py)", words):
            assert (folder / inside).exists(), f"{name}/{inside}"


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.parent.name)
def test_a_face_has_the_names_that_it_promises(face):
    module = import_module(".".join(face.parent.relative_to(ROOT).parts))
    names = re.findall(r"^from \.\S+ import (\w+) as \1$", face.read_text("utf-8"), re.MULTILINE)
    assert len(names) == len(face.read_text("utf-8").splitlines())
    assert set(names) <= set(dir(module))
    for name in names:
        assert getattr(module, name) is not None
