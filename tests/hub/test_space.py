"""A board on a Space comes with the baselines' records of the checkout it is published from."""

from dambench_hub.hub.release import collect


def test_records_of_the_checkout_go_along(tmp_path):
    app, scores = tmp_path / "app", tmp_path / "baselines" / "scores" / "multimodal"
    for folder in app, scores:
        folder.mkdir(parents=True)
    (app / "README.md").write_text("---\nsdk: gradio\napp_file: app.py\n---\n")
    (app / "app.py").write_text("")
    alone = {file.path for file in collect(app, "ORG/board").all_files}
    (scores / "var3d.json").write_text("{}")
    together = {file.path for file in collect(app, "ORG/board").all_files}
    assert together - alone == {"scores/multimodal/var3d.json"}
