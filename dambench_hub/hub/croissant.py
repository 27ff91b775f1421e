"""`croissant.json`: the manifest in the words of Croissant 1.1, for crawlers and catalogues.

Croissant is JSON-LD on top of schema.org (https://docs.mlcommons.org/croissant). Everything here
follows from the manifest; nothing is looked up, so the same data set always gets the same file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from dambench_hub.storage.features import (
    column_shapes,
    config_columns,
    ensemble_shapes,
)
from dambench_hub.storage.manifest import ENSEMBLE, GEOGRAPHY, STATISTICS, Manifest, Shard
from dambench_hub.storage.preview import PREVIEW, preview_shapes
from dambench_hub.storage.reports import COLUMNS, REPORTS, Reports, ReportShard

CROISSANT = "croissant.json"

CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""The JSON-LD context that the specification prescribes."""

MIME = {
    "parquet": "application/x-parquet",
    "arrow": "application/vnd.apache.arrow.stream",
    "hdf5": "application/x-hdf5",
}
LICENCES = {
    "apache-2.0": "Apache-2.0",
    "cc-by-4.0": "CC-BY-4.0",
    "cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0",
    "cc-by-sa-4.0": "CC-BY-SA-4.0",
    "cc0-1.0": "CC0-1.0",
    "mit": "MIT",
}
"""Names of licences on the Hub, and at spdx.org."""

DESCRIPTIONS = {
    "time": "Valid time of the analysis, whole hours since 1970-01-01 00:00 UTC.",
    "background": "A forecast valid at `time`.",
    "observation_index": "Observed grid points, row-major y · X + x, ascending.",
    "observations": "Observed values at those points: reference + error; NaN: the channel is not "
    "seen there.",
    "precipitation": "Station precipitation of the last day, mm day-1; NaN: not measured.",
    "olr": "Outgoing longwave radiation of the last day, W m-2; NaN: not measured.",
    "background_precipitation": "What the background says that stations would have measured over "
    "the same day, mm day-1; NaN: the background has none.",
    "background_olr": "What the background says that the satellite would have measured over the "
    "same day, W m-2; NaN: the background has none.",
    "reference": "The state to be found.",
    "background_members": "Forecasts of the members of an ensemble, valid at `time`.",
    "background_members_precipitation": "What each member says that stations would have measured.",
    "background_members_olr": "What each member says that the satellite would have measured.",
}
REPORT_TYPES = {
    "time": "sc:DateTime",
    "latitude": "cr:Float64",
    "longitude": "cr:Float64",
    "variable": "sc:Text",
    "station": "sc:Text",
    "report": "sc:Text",
    "quality": "cr:UInt8",
    "withheld": "sc:Boolean",
}
"""Types of the columns of `reports` that are not cr:Float32."""

OF_PREVIEW = {
    "time": "Valid time of the analysis, UTC.",
    "observations": "Means of the observed values nearby; NaN: none.",
}
"""What is otherwise in the coarse config `preview`."""

CITATION = (
    "@misc{dambench, title={DAMBench: a benchmark for deep-learning data assimilation of the "
    "atmosphere}, author={{The DAMBench maintainers}}, year={2026}}"
)


def croissant(manifest: Manifest, url: str | None = None, revision: str = "main") -> dict[str, Any]:
    """The Croissant description of a data set, as JSON.

    Args:
        manifest: Of the data set.
        url: Page of its Hub repository; None for a folder, whose files are named relative to it.
        revision: Tag or branch in the addresses of the files.

    Returns:
        A JSON-LD document. It has a date of publication only if the manifest's source has one,
        `date_published`, since a build does not know when it will be published.
    """
    source = manifest.source
    licence = source.get("licence", "unknown")
    known = {
        "url": url,
        "datePublished": source.get("date_published"),
        "creditText": source.get("attribution"),
    }
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": re.sub(r"[^A-Za-z0-9_-]", "-", manifest.name),
        "alternateName": source.get("title", manifest.name),
        "description": source.get("description") or source.get("title", manifest.name),
        "license": _licence(licence),
        "citeAs": "\n".join(filter(None, [CITATION, source.get("citation")])),
        "creator": {"@type": "sc:Organization", "name": "The DAMBench maintainers"},
        # A version is a number for Croissant; the data set's revision is a hash.
        "version": f"1.0.0+{manifest.revision}",
        **{key: value for key, value in known.items() if value},
        "distribution": _distribution(manifest, url, revision),
        "recordSet": _record_sets(manifest),
    }


def _licence(name: str) -> str:
    return f"https://spdx.org/licenses/{LICENCES[name]}.html" if name in LICENCES else name


def _distribution(manifest: Manifest, url: str | None, revision: str) -> list[dict[str, Any]]:
    """Every file with its hash, and the files of each config as a set."""
    base = f"{url}/resolve/{revision}/" if url else ""

    def file_object(path: str, sha256: str, mime: str) -> dict[str, Any]:
        return {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path,
            "contentUrl": base + path,
            "encodingFormat": mime,
            "sha256": sha256,
        }

    files = [file_object(STATISTICS, manifest.statistics_sha256, "application/octet-stream")]
    if manifest.geography_sha256:
        files.append(file_object(GEOGRAPHY, manifest.geography_sha256, MIME["parquet"]))
    for file in manifest.files():
        size = {"contentSize": f"{file.bytes} B"}
        files.append(file_object(file.path, file.sha256, _mime(manifest, file)) | size)
    sets = [
        {
            "@type": "cr:FileSet",
            "@id": _file_set(folder),
            "description": f"Shards in {folder}/, relative to this file.",
            "encodingFormat": of_folder,
            "includes": f"{folder}/*",
        }
        for folder, of_folder in {
            _folder(file): _mime(manifest, file) for file in manifest.files()
        }.items()
    ]
    return [*files, *sets]


def _record_sets(manifest: Manifest) -> list[dict[str, Any]]:
    """The names of the splits, and for each config its columns."""
    reports, modalities = manifest.reference_is_reports, manifest.modalities
    configs = config_columns(modalities, reports)
    points = manifest.observations.points(manifest.grid)
    shapes = column_shapes(len(manifest.channels), manifest.grid, points, modalities, reports)
    shared = ("multimodal",) if manifest.format == "arrow" else tuple(configs)
    splits = {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "Names of the splits.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": "splits/name",
                "name": "splits/name",
                "dataType": "sc:Text",
            }
        ],
        "data": [{"splits/name": split} for split in manifest.splits],
    }
    records = [
        _record_set(manifest, config, {name: shapes[name] for name in columns})
        for config, columns in configs.items()
        if config in shared or config in manifest.copies
    ]
    if manifest.ensemble_size:
        members = ensemble_shapes(
            len(manifest.channels), manifest.grid, manifest.ensemble_size, modalities
        )
        records.append(_record_set(manifest, ENSEMBLE, members))
    if PREVIEW in manifest.copies:
        coarse = preview_shapes(manifest.channels, manifest.grid, modalities, reports)
        records.append(_record_set(manifest, PREVIEW, coarse))
    if manifest.reports:
        records.append(_reports_record_set(manifest.reports))
    return [splits, *records]


def _record_set(
    manifest: Manifest, config: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    splits = manifest.copies.get(config, manifest.splits)
    folder = _folder(next(iter(splits.values()))[0])
    fields = [_field(config, folder, name, shape) for name, shape in shapes.items()]
    return {
        "@type": "cr:RecordSet",
        "@id": config,
        "name": config,
        "description": f"Examples with the columns {', '.join(shapes)}.",
        "field": [_split_field(config, folder, splits), *fields],
    }


def _reports_record_set(reports: Reports) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": REPORTS,
        "name": REPORTS,
        "description": "Observations, one row a measured value, ascending in time.",
        "field": [
            _split_field(REPORTS, REPORTS, reports.splits),
            *(
                {
                    "@type": "cr:Field",
                    "@id": f"{REPORTS}/{column}",
                    "name": f"{REPORTS}/{column}",
                    "description": meaning,
                    "dataType": REPORT_TYPES.get(column, "cr:Float32"),
                    "source": {
                        "fileSet": {"@id": _file_set(REPORTS)},
                        "extract": {"column": column},
                    },
                }
                for column, meaning in COLUMNS.items()
            ),
        ],
    }


def _field(config: str, folder: str, column: str, shape: tuple[int, ...]) -> dict[str, Any]:
    types = {"time": "cr:Int64", "observation_index": "cr:Int32"}
    descriptions = DESCRIPTIONS
    if config == PREVIEW:
        types, descriptions = {"time": "sc:DateTime"}, {**DESCRIPTIONS, **OF_PREVIEW}
    array = {"isArray": True, "arrayShape": ",".join(map(str, shape))} if shape else {}
    return {
        "@type": "cr:Field",
        "@id": f"{config}/{column}",
        "name": f"{config}/{column}",
        "description": descriptions[column],
        "dataType": types.get(column, "cr:Float32"),
        **array,
        "source": {"fileSet": {"@id": _file_set(folder)}, "extract": {"column": column}},
    }


def _split_field(config: str, folder: str, splits: Iterable[str]) -> dict[str, Any]:
    names = "|".join(splits)
    return {
        "@type": "cr:Field",
        "@id": f"{config}/split",
        "name": f"{config}/split",
        "description": "The split that the example belongs to.",
        "dataType": "sc:Text",
        "references": {"field": {"@id": "splits/name"}},
        "source": {
            "fileSet": {"@id": _file_set(folder)},
            "extract": {"fileProperty": "fullpath"},
            "transform": {"regex": f".*{folder}/({names})-.+"},
        },
    }


def _folder(file: Shard | ReportShard) -> str:
    return file.path.rpartition("/")[0]


def _mime(manifest: Manifest, file: Shard | ReportShard) -> str:
    return MIME[manifest.format if isinstance(file, Shard) else "parquet"]


def _file_set(folder: str) -> str:
    return f"files-of-{folder}"
