"""The script that states a version: what it writes is what the package states."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "builders" / "state_version.py"
SPEC = spec_from_file_location("state_version", SCRIPT)
script = module_from_spec(SPEC)
SPEC.loader.exec_module(script)


def test_it_states_what_the_package_holds(tmp_path, capsys):
    out = tmp_path / "versions.json"
    assert script.main(["9.9", "--out", str(out)]) == 0
    newest = list(json.loads(script.STATED.read_text()).values())[-1]
    del newest["worlds"]["synop-europe"]  # built from files that are not in the package
    assert json.loads(out.read_text()) == {"9.9": newest}
    assert "version 9.9" in capsys.readouterr().out


def test_further_data_are_canonical(tmp_path, tiny_folder, capsys):
    out = tmp_path / "versions.json"
    assert script.main(["9.9", "--data", str(tiny_folder), "--out", str(out)]) == 1
    assert "is not canonical" in capsys.readouterr().err and not out.exists()
