"""Methods that installed packages bring: found by name, and their faults told."""

import json
import sys
from pathlib import Path

import pytest

from dambench_hub.errors import TaskError
from dambench_hub.models.base import option_names
from dambench_hub.models.entry_points import packaged_code, packaged_methods
from dambench_hub.models.preparation import (
    find_method,
    prepare,
    read_options,
    sampling_methods,
)
from dambench_hub.models.registry import (
    METHODS,
    load_method,
    method_class,
    method_names,
    names_method,
)

SHIFT = """
from dambench_hub.data import Analysis
from dambench_hub.models import Assimilator

class Shift(Assimilator):
    name = "shift"

    def __init__(self, by=1.0, members=2):
        self.by, self.members = by, members

    @classmethod
    def fit(cls, training, by=1.0, **options):
        return cls(by, **options)

    def assimilate(self, batch, generator=None):
        return Analysis(batch.background + self.by, time=batch.time)
"""
SCALE = """
import torch
from dambench_hub.data import Analysis
from dambench_hub.models.learned import LearnedAssimilator

class Scale(LearnedAssimilator):
    name = "scale"

    def __init__(self, *, channels, grid, width: int = 2):
        super().__init__(channels=channels, grid=grid)
        self.factor = torch.nn.Parameter(torch.ones(width))

    def analyse(self, inputs):
        return Analysis(inputs.background * self.factor.mean())

    def loss(self, inputs):
        return (self.analyse(inputs).mean - inputs.reference).square().mean()
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Makes a package of one module, and puts it on the path as if it were installed."""

    def install(package, code, **methods):
        folder = tmp_path / package
        info = folder / f"{package}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{package}.py").write_text(code)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name} = {package}:{value}" for name, value in methods.items()]
        (info / "entry_points.txt").write_text("\n".join(["[dambench.methods]", *lines]))
        monkeypatch.syspath_prepend(folder)
        sys.modules.pop(package, None)  # of another test
        return folder

    return install


def test_a_method_of_a_package_is_known_by_its_name(install, tiny_data):
    install("shifting", SHIFT, shift="Shift")
    options = read_options("shift", ["by=2.5"])
    method = load_method("shift", **options)
    assert type(method) is method_class("shift") and prepare(method, "auto", 0) is None
    batch = next(tiny_data.batches("unimodal"))
    assert (method.assimilate(batch).mean == batch.background + 2.5).all()
    assert {"shift"} == set(method_names()) - set(METHODS)
    assert "shift" in sampling_methods()
    with pytest.raises(TaskError, match="Did you mean 'shift'?"):
        method_class("shfit")
    with pytest.raises(TaskError, match="no option 'bye'. Did you mean 'by'?"):
        read_options("shift", ["bye=1"])
    assert option_names(type(method)) == ["by", "members"]
    with pytest.raises(TaskError, match="Unknown method 'multi_shift'"):
        method_class("multi_shift")


def test_nothing_is_imported_before_it_is_asked_for(install):
    folder = install(
        "noisy", "from pathlib import Path\nPath(__file__).with_suffix('.txt').touch()"
    )
    entry = folder / "noisy-1.0.dist-info" / "entry_points.txt"
    entry.write_text("[dambench.methods]\nnoise = noisy:Noise\n")
    assert "noise" in method_names() and method_class("background").name == "background"
    assert not (folder / "noisy.txt").exists()
    with pytest.raises(TaskError, match="The package noisy 1.0 brings the method noise as"):
        method_class("noise")
    assert (folder / "noisy.txt").exists()


def test_a_learned_method_of_a_package_is_loaded_from_its_folder(install, tiny_data, tmp_path):
    install("scaling", SCALE, scale="Scale")
    model = method_class("scale")(channels=tiny_data.channels, grid=str(tiny_data.grid), width=3)
    model.set_statistics(tiny_data.statistics).save_pretrained(tmp_path / "model")
    assert json.loads((tmp_path / "model" / "config.json").read_text())["method"] == "scale"
    again = load_method(tmp_path / "model")
    assert type(again) is type(model) and again.factor.shape == (3,)
    assert method_class("multi_scale").host_class is type(model)
    with pytest.raises(TaskError, match="has to be trained first.*--config RUN_FILE.yaml"):
        load_method("scale")
    with pytest.raises(TaskError, match="scale has no options"):
        read_options("scale", ["width=3"])


@pytest.mark.parametrize(
    ("code", "methods", "words"),
    [
        ("import no_such_thing", {"shift": "Shift"}, "ModuleNotFoundError: .*'no_such_thing'"),
        ("1 / 0", {"shift": "Shift"}, "cannot be imported .ZeroDivisionError"),
        ("", {"shift": "Shift"}, "AttributeError.* pip uninstall faulty"),
        ("Shift = 3", {"shift": "Shift"}, "no class derived from dambench_hub.models.Assimilator"),
        ("class Shift: name = 'shift'", {"shift": "Shift"}, "no class derived from"),
        (SHIFT.replace("def assimilate", "def other"), {"shift": "Shift"}, "define assimilate"),
        (SHIFT, {"shove": "Shift"}, "which is called 'shift'. Write name = 'shove' in the class"),
        (SHIFT.replace("name =", "title ="), {"shift": "Shift"}, "which is called None"),
        (SHIFT, {"var3d": "Shift"}, "calls a method 'var3d', which DAMBench has itself"),
        (SHIFT, {"multi_fnp": "Shift"}, "calls a method 'multi_fnp', which no method may have"),
        (SHIFT, {"Shift-50": "Shift"}, "calls a method 'Shift-50', which no method may have"),
    ],
)
def test_a_fault_is_told_with_the_package_and_only_to_who_asks(install, code, methods, words):
    install("faulty", code, **methods)
    (name,) = methods
    with pytest.raises(TaskError, match=f"The package faulty 1.0 .*{words}"):
        method_class(name)
    assert method_class("background").name == "background"
    assert "letkf" in sampling_methods() and "shift" not in sampling_methods()


def test_two_packages_with_one_name_are_refused(install):
    install("first", SHIFT, shift="Shift")
    install("second", SHIFT, shift="Shift")
    with pytest.raises(TaskError, match="second 1.0 and first 1.0 bring a method shift each"):
        method_class("shift")


def test_a_package_that_lies_on_the_path_twice_is_one(install, tmp_path, monkeypatch):
    folder = install("shifting", SHIFT, shift="Shift")
    (tmp_path / "again").symlink_to(folder)
    monkeypatch.syspath_prepend(tmp_path / "again")
    assert method_class("shift").name == "shift"


def test_a_damaged_list_of_another_package_stops_nothing(install):
    folder = install("damaged", "")
    (folder / "damaged-1.0.dist-info" / "entry_points.txt").write_text("no section\n[a]\nno value")
    install("shifting", SHIFT, shift="Shift")
    assert list(packaged_methods()) == ["shift"]


def test_a_folder_called_like_a_method_does_not_hide_it(install, tmp_path, monkeypatch):
    install("shift", SHIFT, shift="Shift")  # the folder of its source, in the working directory
    monkeypatch.chdir(tmp_path)
    assert names_method("shift") and find_method("shift") == ("shift", None)
    assert load_method("shift").name == "shift"
    Path("shift", "config.json").write_text('{"method": "background"}')
    assert not names_method("shift")
    assert load_method("shift").name == "background"


def test_the_code_of_a_package_is_told_apart(install):
    folder = install("shifting", SHIFT, shift="Shift")
    method = method_class("shift")
    before = packaged_code(method)
    assert before.startswith("shifting 1.0, module ")
    (folder / "shifting.py").write_text(SHIFT + "\n")
    assert packaged_code(method) != before
    assert packaged_code(method_class("background")) is None
