"""What all pages share: right tasks, sizes and folders, whatever the working directory."""

import pytest

from dambench_hub.errors import DambenchError
from dambench_hub.leaderboard.accounts.person import Person
from dambench_hub.leaderboard.accounts.sign_in import SignIn
from dambench_hub.leaderboard.site import Site, absolute_url
from dambench_hub.leaderboard.submissions.limits import Limits
from dambench_hub.tasks.task import load_task, task_names
from dambench_hub.testing import write_tiny_dataset


@pytest.fixture
def opened(tiny_folder, tmp_path):
    def opened(**options):
        store = f"sqlite:///{tmp_path}/store.db"
        return Site.open(tiny_folder, store, tmp_path / "site", **options)

    return opened


def test_a_site_can_be_looked_at_and_nobody_writes(opened):
    site = opened()
    assert not site.sign_in.is_open
    of_fields = {name for name in task_names() if load_task(name).config != "reports"}
    assert set(site.tasks) == of_fields
    assert site.limits == site.submissions.limits == Limits()


def test_a_site_of_reports_has_their_tasks_alone(stations_folder, tmp_path):
    site = Site.open(stations_folder, f"sqlite:///{tmp_path}/store.db", tmp_path / "site")
    assert list(site.tasks) == ["synop"]


def test_everything_it_keeps_is_private(opened):
    site = opened()
    for folder in (site.folder, site.inbox, site.diagnostics, site.cache):
        assert folder.stat().st_mode & 0o777 == 0o700
    site.inbox.chmod(0o755)
    assert opened().inbox.stat().st_mode & 0o777 == 0o700


def test_paths_outlive_the_working_directory(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tiny_folder.parent)
    site = Site.open(tiny_folder.name, "sqlite:///own.db", "own")
    monkeypatch.chdir(tmp_path)
    assert site.data.background("test", 0).shape
    assert site.store.tasks() == []
    assert site.folder == tiny_folder.parent / "own"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "postgresql://u:p@h/db", "sqlite:////a/b.db", "?"]
)
def test_urls_without_a_relative_path_stay_as_they_are(url):
    assert absolute_url(url) == url


def test_a_data_set_without_modalities_has_unimodal_tasks_only(tmp_path):
    write_tiny_dataset(tmp_path / "data", modalities=())
    site = Site.open(tmp_path / "data", f"sqlite:///{tmp_path}/store.db", tmp_path / "site")
    assert "unimodal" in site.tasks and "multimodal" not in site.tasks


def test_a_file_may_be_as_large_as_its_task_asks_and_no_larger(opened):
    site = opened()
    values = site.value_bytes("unimodal")
    assert values == 4 * 5 * 5 * 9 * 16
    assert values < site.upload_limit("unimodal") < 4 << 20
    assert opened(limits=Limits(bytes=1000)).upload_limit("unimodal") == 1000


def test_developers_may_use_their_own_machine(opened):
    site = opened(sign_in=SignIn(developer=Person("local:ada", "ada")))
    assert site.limits.scored_per_day > 1000
    narrow = Limits(scored_per_day=1)
    assert opened(sign_in=site.sign_in, limits=narrow).limits == narrow


def test_what_cannot_be_opened_is_told(tiny_folder, tmp_path):
    with pytest.raises(DambenchError, match="nowhere"):
        Site.open(tmp_path / "nowhere", f"sqlite:///{tmp_path}/s.db", tmp_path / "site")
    with pytest.raises(DambenchError, match="not the URL of a store"):
        Site.open(tiny_folder, "nonsense", tmp_path / "site")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DambenchError, match="file"):
        Site.open(tiny_folder, f"sqlite:///{tmp_path}/s.db", tmp_path / "file")


def test_limits_are_read_from_a_file(tmp_path):
    path = tmp_path / "limits.yaml"
    path.write_text("scored_per_day: 5\nopen_jobs: 2\n")
    assert Limits.read(path) == Limits(scored_per_day=5, open_jobs=2)
    for text, words in (
        ("scored_per_dya: 5", "Did you mean 'scored_per_day'"),
        ("scored_per_day: many", "is a number"),
        ("scored_per_day: -1", "at least 0"),
        ("- 5", "holds no `key: value`"),
        ("{", "cannot be read"),
    ):
        path.write_text(text)
        with pytest.raises(DambenchError, match=words):
            Limits.read(path)
    with pytest.raises(DambenchError, match="cannot be read"):
        Limits.read(tmp_path / "none.yaml")
