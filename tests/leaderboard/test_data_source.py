"""What the pages print about the data set works where the board was started."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from dambench_hub.cli import main
from dambench_hub.data.dataset import Data, load_data
from dambench_hub.leaderboard.data_source import DataSource
from dambench_hub.leaderboard.site import Site
from dambench_hub.leaderboard.store.results import Store
from dambench_hub.leaderboard.web.example_file import example
from dambench_hub.leaderboard.web.pages.about import about
from dambench_hub.leaderboard.web.receipt import Receipt
from dambench_hub.scoring.evaluation import score


@pytest.fixture
def site(tmp_path, tiny_folder, monkeypatch):
    """A board that was started with a relative path that has a space and a quote in it."""
    monkeypatch.chdir(tmp_path)
    Path("my data's").symlink_to(tiny_folder)
    return Site.open("my data's", "sqlite:///store.db", "site")


def run(command):
    program, *arguments = shlex.split(command)
    assert program == "dambench"
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_example_receipt_and_about_run_as_they_are_printed(site):
    code = example(site.tasks["unimodal"], site.source)
    exec(code, {"my_method": lambda batch: batch.background})
    assert run(code.rpartition(":  ")[2]) == 0

    Store(site.store.url).add(score("mine.nc", load_data("my data's")), "mine")
    (entry,) = site.store.ranking("unimodal").entries
    assert run(Receipt.of(site, entry.submission, None).command.replace("FILE", "mine.nc")) == 0

    page = about(site, "http://localhost:7860").replace("&#39;", "'").replace("&#34;", '"')
    (line,) = [line for line in page.splitlines() if "dambench validate" in line]
    assert run(line[line.index("dambench ") :].replace("multimodal", "unimodal")) == 0


def test_a_folder_is_made_by_its_command(site):
    command = "python builders/osse/build.py --preset tiny --seed 0"
    manifest = replace(site.data.manifest, source={"command": command})
    source = DataSource.of("my data's", Data(site.data.folder, manifest, site.data.statistics))
    assert (source.fetch, source.link) == (command, "")


def test_a_data_set_of_the_hub_is_named_with_its_commit(site):
    folder = Path("cache/datasets--org--data/snapshots/0123abcd")
    source = DataSource.of("org/data", Data(folder, site.data.manifest, site.data.statistics))
    assert source.option == "org/data"
    assert source.link == "https://huggingface.co/datasets/org/data/tree/0123abcd"
    assert source.fetch == "hf download org/data --repo-type dataset --revision 0123abcd"
