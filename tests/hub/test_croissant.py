"""The Croissant description agrees with the manifest and with the files."""

import fnmatch
import hashlib
import json
import re

import mlcroissant
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from dambench_hub.hub.croissant import croissant
from dambench_hub.observations import ObservationSettings
from dambench_hub.observations.window import Window
from dambench_hub.storage.features import CONFIGS
from dambench_hub.storage.manifest import Manifest
from dambench_hub.testing import tiny_plan, write_tiny_dataset

URL = "https://huggingface.co/datasets/ORG/NAME"


@pytest.fixture(scope="module")
def manifest(tiny_folder):
    return Manifest.read(tiny_folder)


@pytest.fixture(scope="module")
def described(manifest):
    return json.loads(json.dumps(croissant(manifest), allow_nan=False))


def nodes(document, kind):
    found = [*document["distribution"], *document["recordSet"]]
    return {node["@id"]: node for node in found if node["@type"] == kind}


def references(node):
    """Every `{"@id": …}` inside a node that points elsewhere."""
    if isinstance(node, dict):
        if set(node) == {"@id"}:
            yield node["@id"]
        for value in node.values():
            yield from references(value)
    if isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_file_has_its_hash_and_size(described, tiny_folder, manifest):
    files = nodes(described, "cr:FileObject")
    assert set(files) == {s.path for s in manifest.all_shards()} | {"statistics.safetensors"}
    for path, node in files.items():
        content = (tiny_folder / node["contentUrl"]).read_bytes()
        assert node["sha256"] == hashlib.sha256(content).hexdigest()
        assert node.get("contentSize", f"{len(content)} B") == f"{len(content)} B", path


def test_file_sets_are_the_shards_of_a_folder(described, tiny_folder):
    there = {p.relative_to(tiny_folder).as_posix() for p in tiny_folder.rglob("*.parquet")}
    covered = [
        path
        for node in nodes(described, "cr:FileSet").values()
        for path in fnmatch.filter(there, node["includes"])
    ]
    assert sorted(covered) == sorted(there)


def test_records_are_the_configs_of_the_card(described, tiny_folder, manifest):
    card = yaml.safe_load((tiny_folder / "README.md").read_text("utf-8").split("---\n")[1])
    records = nodes(described, "cr:RecordSet")
    assert set(records) == {entry["config_name"] for entry in card["configs"]} | {"splits"}
    for config, columns in CONFIGS.items():
        names = [field["@id"] for field in records[config]["field"]]
        assert names == [f"{config}/{column}" for column in ("split", *columns)]
    assert records["splits"]["data"] == [{"splits/name": split} for split in manifest.splits]


def test_shapes_and_columns_are_those_of_the_shards(described, tiny_folder, manifest):
    table = pq.read_table(tiny_folder / manifest.shards("test")[0].path)
    coarse = pq.read_table(tiny_folder / manifest.copies["preview"]["test"][0].path)
    _, *fields = nodes(described, "cr:RecordSet")["multimodal"]["field"]
    _, *of_preview = nodes(described, "cr:RecordSet")["preview"]["field"]
    assert [field["@id"] for field in of_preview] == [f"preview/{c}" for c in coarse.column_names]
    for table, field in [*((table, f) for f in fields), *((coarse, f) for f in of_preview)]:
        column = table[field["source"]["extract"]["column"]]
        value, shape = column[0].as_py(), []
        while isinstance(value, list):
            shape.append(str(len(value)))
            value = value[0]
        assert field.get("arrayShape", "") == ",".join(shape)
        assert field.get("isArray", False) == bool(shape)


def test_an_ensemble_has_a_record_of_its_own(tmp_path):
    options = {"channels": ("z500", "t850"), "ensemble_size": 3, "ensemble_splits": ("test",)}
    manifest = write_tiny_dataset(tmp_path, **options)
    described = croissant(manifest)
    record = nodes(described, "cr:RecordSet")["ensemble"]
    split, time, members, *equivalents = record["field"]
    assert members["arrayShape"] == "3,2,9,16"
    assert {field["arrayShape"] for field in equivalents} == {"3,9,16"} and len(equivalents) == 2
    assert time["dataType"] == "cr:Int64"
    assert set(references(record)) == {"files-of-ensemble", "splits/name"}
    files = nodes(described, "cr:FileObject")
    assert all(shard.path in files for shard in manifest.copies["ensemble"]["test"])
    assert re.match(
        split["source"]["transform"]["regex"], "/x/ensemble/test-00000-of-00001.parquet"
    )
    assert mlcroissant.Dataset(jsonld=described).metadata.record_sets


@pytest.mark.parametrize("format", ["parquet", "hdf5"])
@pytest.mark.parametrize("alone", [False, True])
def test_tables_of_observations_have_a_record_of_their_own(tmp_path, alone, format):
    times = {"test": np.datetime64("2024-01-01", "h") + 24 * np.arange(2)}
    options = {"reference_is_reports": True, "observations": ObservationSettings(), "times": times}
    manifest = write_tiny_dataset(
        tmp_path, format=format, reports_window=Window(), **(options if alone else {})
    )
    described = croissant(manifest)
    record = nodes(described, "cr:RecordSet")["reports"]
    split, *fields = record["field"]
    stored = pq.read_table(tmp_path / manifest.reports.splits["test"][0].path)
    types = {
        "cr:Float32": "float", "cr:Float64": "double", "sc:Text": "string", "cr:UInt8": "uint8",
        "sc:Boolean": "bool", "sc:DateTime": "timestamp[ms, tz=UTC]",
    }  # fmt: skip
    for field, column in zip(fields, stored.schema, strict=True):
        assert field["source"]["extract"]["column"] == column.name
        assert types[field["dataType"]] == str(column.type)
    assert set(references(record)) == {"files-of-reports", "splits/name"}
    files, sets = nodes(described, "cr:FileObject"), nodes(described, "cr:FileSet")
    for shard in manifest.report_shards():
        assert files[shard.path]["sha256"] == shard.sha256
        assert files[shard.path]["encodingFormat"] == "application/x-parquet"
        assert re.match(split["source"]["transform"]["regex"], f"/x/{shard.path}")
    assert sets["files-of-reports"]["encodingFormat"] == "application/x-parquet"
    columns = [f["@id"] for f in nodes(described, "cr:RecordSet")["multimodal"]["field"]]
    assert ("multimodal/reference" in columns) != alone
    known = mlcroissant.Dataset(jsonld=described).metadata
    assert "reports" in {record.id for record in known.record_sets}
    assert all("datePublished" in warning for warning in known.ctx.issues.warnings)


def test_splits_are_found_in_the_paths(described, manifest):
    field = nodes(described, "cr:RecordSet")["unimodal"]["field"][0]
    pattern = re.compile(field["source"]["transform"]["regex"])
    for split, shards in manifest.splits.items():
        for shard in shards:
            assert pattern.match(f"/anywhere/{shard.path}").group(1) == split


def test_every_reference_has_an_aim(described):
    records = nodes(described, "cr:RecordSet")
    fields = {field["@id"] for record in records.values() for field in record["field"]}
    aims = {*nodes(described, "cr:FileObject"), *nodes(described, "cr:FileSet"), *records, *fields}
    found = list(references(described))
    assert found and set(found) <= aims
    assert len(aims) == len(described["distribution"]) + len(records) + len(fields)


def test_every_word_has_a_meaning(described):
    """Words that schema.org does not have must be in the context."""
    schema = {
        "name", "alternateName", "description", "license", "creator", "version", "creditText",
        "distribution", "contentUrl", "contentSize", "encodingFormat", "sha256", "url",
    }  # fmt: skip

    def words(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            if isinstance(key, str):
                yield key
            if isinstance(value, dict | list) and key not in ("@context", "data"):
                yield from words(value)

    unknown = {word for word in words(described) if not word.startswith("@")} - schema
    assert unknown <= described["@context"].keys()
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.1"


@pytest.mark.parametrize("url", [None, URL])
def test_its_own_library_finds_nothing_wrong(manifest, url):
    """When it is published is not known to a build."""
    described = mlcroissant.Dataset(jsonld=croissant(manifest, url))
    assert {record.id for record in described.metadata.record_sets} >= {"multimodal", "preview"}
    warnings = described.metadata.ctx.issues.warnings
    assert all("datePublished" in warning for warning in warnings), warnings


def test_addresses_follow_the_repository(manifest):
    described = croissant(manifest, URL, "v1.0")
    for path, node in nodes(described, "cr:FileObject").items():
        assert node["contentUrl"] == f"{URL}/resolve/v1.0/{path}"
    assert described["url"] == URL
    assert "url" not in croissant(manifest)


def test_only_what_is_known_is_said(manifest, tmp_path):
    assert "datePublished" not in croissant(manifest)
    source = {
        **tiny_plan().source,
        "licence": "cc-by-4.0",
        "citation": "Hersbach et al. (2020)",
        "date_published": "2026-05-01",
    }
    described = croissant(write_tiny_dataset(tmp_path / "data", source=source))
    assert described["datePublished"] == "2026-05-01"
    assert described["license"] == "https://spdx.org/licenses/CC-BY-4.0.html"
    assert described["citeAs"].endswith("Hersbach et al. (2020)")
    assert described["creditText"] == "Made by dambench_hub.testing."
    plain = croissant(write_tiny_dataset(tmp_path / "other", source={"settings": {"seed": 0}}))
    assert plain["license"] == "unknown" and "creditText" not in plain


@pytest.mark.parametrize(("format", "configs"), [("hdf5", ()), ("arrow", ("unimodal",))])
def test_other_formats(tmp_path, format, configs):
    manifest = write_tiny_dataset(
        tmp_path, format=format, configs=configs, modalities=(), channels=("z500", "t850")
    )
    described = croissant(manifest)
    records = set(nodes(described, "cr:RecordSet")) - {"splits"}
    assert {"multimodal", "unimodal"} <= records and "preview" not in records
    assert ("observations" in records) == (format == "hdf5")
    assert "stations" not in records
    unimodal = nodes(described, "cr:RecordSet")["unimodal"]
    folder = "unimodal" if configs else "multimodal"
    assert set(references(unimodal)) == {f"files-of-{folder}", "splits/name"}
