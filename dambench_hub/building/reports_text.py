"""What the card says of tables of observations: their config, their columns, what was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from datasets import Features

from dambench_hub.storage.manifest import Manifest
from dambench_hub.storage.report_shards import STORED_SCHEMA
from dambench_hub.storage.reports import COLUMNS, REPORTS, Reports


def reports_config(folder: Path, reports: Reports) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entries of the config `reports` in `configs:` and in `dataset_info:` of the card."""
    sizes = {
        split: sum(_decoded_bytes(folder / shard.path) for shard in shards)
        for split, shards in reports.splits.items()
    }
    entry = {
        "config_name": REPORTS,
        "data_files": [
            {"split": split, "path": f"{REPORTS}/{split}-*"} for split in reports.splits
        ],
    }
    info = {
        "config_name": REPORTS,
        "features": Features.from_arrow_schema(STORED_SCHEMA)._to_yaml_list(),
        "splits": [
            {
                "name": split,
                "num_bytes": sizes[split],
                "num_examples": sum(shard.rows for shard in shards),
            }
            for split, shards in reports.splits.items()
        ],
        "download_size": sum(shard.bytes for shard in reports.shards()),
        "dataset_size": sum(sizes.values()),
    }
    return entry, info


def _decoded_bytes(path: Path) -> int:
    metadata = pq.read_metadata(path)
    return sum(metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups))


def reports_text(folder: Path, manifest: Manifest) -> str:
    """A section on the tables; empty without."""
    if not (reports := manifest.reports):
        return ""
    place, split = folder.resolve().name, list(reports.splits)[-1]
    read = f'load_dataset("{place}", "{REPORTS}", split="{split}")'
    if manifest.format != "parquet":  # a folder has one reader, that of its first config
        read = f'load_dataset("parquet", data_files="{place}/{REPORTS}/{split}-*")'
    types = {field.name: str(field.type) for field in STORED_SCHEMA}
    columns = [f"| `{name}` | {types[name]} | {COLUMNS[name]} |" for name in STORED_SCHEMA.names]
    total = sum(reports.counts.values())
    counts = [f"| {found} | {n:,} | {n / total:.2%} |" for found, n in reports.counts.items()]
    return "\n".join(
        [
            "## Reports",
            "",
            f"`{read}` gives tables of observations, one row a measured value, of any place and "
            f"minute, ascending in time. To the analysis at a valid time belong the rows of the "
            f"window {reports.window} around it. `dambench_hub.data.load_data(…).reports"
            f'("{split}", 0)` reads them, and only them.',
            "",
            "| column | type | meaning |",
            "|---|---|---|",
            *columns,
            "",
            "| quality control found | rows | share |",
            "|---|---|---|",
            *counts,
            "",
            f"Of the good rows, {reports.withheld_share:.1%} are withheld: they are for scoring, "
            "and no method may have them.",
            "",
            "",
        ]
    )
