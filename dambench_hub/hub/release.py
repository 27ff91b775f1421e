"""What a publication consists of: the files of a folder, checked, and nothing that is denied.

A folder is a data set, a metric, a model or a Space. Each kind says which files it may hold, so
what was left in the folder by accident is refused instead of published.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from dambench_hub.errors import BuildError
from dambench_hub.hub.benchmark import EVAL, benchmark
from dambench_hub.hub.croissant import CROISSANT, croissant
from dambench_hub.hub.space import baseline_records, require_pin
from dambench_hub.models.card import point_to
from dambench_hub.models.pretrained import RUN_CONFIG, model_name
from dambench_hub.runtime.files import sha256
from dambench_hub.storage.manifest import (
    FORMAT_VERSION,
    GEOGRAPHY,
    MANIFEST,
    PICTURE,
    STATISTICS,
    Manifest,
)

KINDS = ("dataset", "metric", "model", "space")
CARD = "README.md"
EXTRAS = {"LICENSE", "LICENSE.md", "CITATION.cff", EVAL}
"""Files beside card and manifest that a data set may have."""

KNOWN = {CARD, MANIFEST, STATISTICS, PICTURE, CROISSANT, *EXTRAS}
"""Files that every data set has under these names, so that the names give nothing away."""

TEXTS = {".json", ".md", ".txt", ".yaml", ".yml", ".cff"}
WEIGHTS = "model.safetensors"
ENDPOINT = "https://huggingface.co"


@dataclass(frozen=True)
class ReleaseFile:
    """One file to publish.

    Attributes:
        path: In the repository, with forward slashes.
        content: A local file, or the bytes themselves.
        size: Bytes.
        sha256: Hash of the bytes.
        content_sha256: Hash of the values, if it is a shard.
    """

    path: str
    content: Path | bytes
    size: int
    sha256: str
    content_sha256: str | None = None

    @classmethod
    def of(cls, path: str, content: Path | bytes) -> ReleaseFile:
        """Measure a file or some bytes."""
        if isinstance(content, bytes):
            return cls(path, content, len(content), hashlib.sha256(content).hexdigest())
        return cls(path, content, content.stat().st_size, sha256(content))

    @property
    def git_sha1(self) -> str:
        """The hash by which git knows the bytes."""
        content = self.content if isinstance(self.content, bytes) else self.content.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass(frozen=True)
class Release:
    """What is published together.

    Attributes:
        kind: One of `KINDS`.
        title: What it is, in a few words, for messages.
        folder: Where it lies.
        shards: Large files that are sent first and become visible with the others.
        files: All others.
        revision: Of a data set, else None.
        sdk: Of a metric or a Space, else None.
    """

    kind: str
    title: str
    folder: Path
    shards: tuple[ReleaseFile, ...]
    files: tuple[ReleaseFile, ...]
    revision: str | None = None
    sdk: str | None = None

    @property
    def all_files(self) -> tuple[ReleaseFile, ...]:
        """Everything that will be in the repository."""
        return self.shards + self.files


@dataclass(frozen=True)
class DenyList:
    """What must not be published, by name and by content.

    Attributes:
        names: Patterns for the name of a file, folder or split.
        hashes: Hashes of files, or of the values in shards, and where each comes from.
    """

    names: tuple[str, ...]
    hashes: Mapping[str, str]

    @classmethod
    def read(cls, entries: Sequence[str | Path]) -> DenyList:
        """Read what is denied.

        Args:
            entries: Files and folders, denied by name and by content, a folder with all that is in
                it, a manifest with the shards that it names, here or elsewhere; or names alone,
                like `hidden` or `hidden-*`.

        Raises:
            BuildError: When a path does not exist.
            DataError: When a denied data set has a damaged manifest.
        """
        hashes: dict[str, str] = {}
        for entry in map(Path, entries):
            if not entry.exists() and len(entry.parts) > 1:
                raise BuildError(
                    f"There is nothing at {entry}, so its content cannot be denied. Give an "
                    "existing file or folder, or a name without a slash."
                )
            files = [entry] if entry.is_file() else sorted(entry.rglob("*"))
            for file in files:
                # All empty files are the same; they give nothing away.
                if file.is_file() and file.stat().st_size:
                    hashes[sha256(file)] = str(file)
            for folder in {entry, *(f.parent for f in files), *(f.parent.parent for f in files)}:
                hashes |= _denied_shards(folder, files)
        names = dict.fromkeys(Path(entry).name for entry in entries)
        return cls(tuple(name for name in names if name not in KNOWN), hashes)

    def refuse(self, files: Iterable[ReleaseFile]) -> None:
        """Check files before anything is sent.

        Raises:
            BuildError: When one is denied; the message names it and the reason.
        """
        for file in files:
            for name in self.names:
                if any(fnmatchcase(part, name) for part in _names(file.path)):
                    raise BuildError(
                        f"{file.path} is denied by its name ({name}). Nothing is sent."
                    )
            for digest in filter(None, (file.sha256, file.content_sha256)):
                if digest in self.hashes:
                    raise BuildError(
                        f"{file.path} is denied: its content is that of {self.hashes[digest]}. "
                        "Nothing is sent."
                    )


def collect(
    folder: Path,
    repo_id: str,
    kind: str | None = None,
    *,
    deny: Sequence[str | Path] = (),
    tag: str | None = None,
    framework: str | None = None,
) -> Release:
    """Find and check what is published of a folder.

    Dot files and caches never are, but for a model's scores in `.eval_results/`.

    Args:
        folder: A data set, metric, model or Space.
        repo_id: `ORG/NAME`, which goes into the card and into `croissant.json`.
        kind: One of `KINDS`; None to see it from the files.
        deny: See `DenyList.read`.
        tag: The version that `croissant.json` points to.
        framework: Makes a data set a benchmark of the Hub; see `benchmark`.

    Raises:
        BuildError: When the folder is of no kind, holds something that does not belong there, or
            something that is denied.
        DataError: When a data set is incomplete or damaged.
    """
    if not folder.is_dir():
        raise BuildError(f"{folder} is not a folder; give what is to be published.")
    kind = kind or _guess(folder)
    denied = DenyList.read(deny)
    if kind == "dataset":
        return _data_set(folder, repo_id, denied, tag, framework)
    if framework:
        raise BuildError(f"{folder} is a {kind}; only a data set can be a benchmark of the Hub.")
    paths = [*_visible(folder), *(_eval_results(folder) if kind == "model" else ())]
    files = tuple(ReleaseFile.of(path, folder / path) for path in paths)
    denied.refuse(files)
    if kind == "model":
        _check_model(folder, files)
        files = tuple(_pointing_to(repo_id, file) for file in files)
        return Release(kind, f"model {model_name(folder)}", folder, (), files)
    sdk = _check_space(folder, files, repo_id, kind)
    if kind == "space":
        files += tuple(ReleaseFile.of(*found) for found in baseline_records(folder).items())
    return Release(kind, f"{kind} {folder.name}", folder, (), files, sdk=sdk)


def _guess(folder: Path) -> str:
    """The kind of a folder, by the files that only this kind has."""
    if (folder / MANIFEST).exists() or (folder / ".build").exists():
        return "dataset"
    if (folder / "config.json").exists() and (folder / WEIGHTS).exists():
        return "model"
    if (folder / RUN_CONFIG).exists():
        raise BuildError(
            f"{folder} is a training run. Publish the model in it, for example {folder / 'best'}."
        )
    front = _front_matter(folder)
    if "sdk" in front:
        return "metric" if "metric" in (front.get("tags") or ()) else "space"
    raise BuildError(
        f"{folder} is no data set ({MANIFEST}), no model (config.json and {WEIGHTS}), and no "
        f"Space or metric (`sdk:` in the header of {CARD}). Give another folder, or --kind."
    )


def _data_set(
    folder: Path, repo_id: str, denied: DenyList, tag: str | None, framework: str | None
) -> Release:
    """Shards as the manifest names them; card, manifest, statistics and description."""
    manifest = Manifest.read(folder)
    if manifest.format_version < FORMAT_VERSION:
        raise BuildError(
            f"{folder} is of format version {manifest.format_version}, published are data sets of "
            f"version {FORMAT_VERSION}. Write it again: dambench convert {folder} --out NEW "
            f"--format {manifest.format}"
        )
    if damage := manifest.damage(folder, full=True):
        raise BuildError(
            f"{folder} is not whole, so nothing is sent: {' '.join(damage[:5])} "
            "Run its build command again."
        )
    shards = {
        shard.path: ReleaseFile(
            shard.path, folder / shard.path, shard.bytes, shard.sha256, shard.content_sha256
        )
        for shard in manifest.all_shards()
    }
    for table in manifest.report_shards():
        shards[table.path] = ReleaseFile(table.path, folder / table.path, table.bytes, table.sha256)
    if manifest.geography_sha256:
        shards[GEOGRAPHY] = ReleaseFile.of(GEOGRAPHY, folder / GEOGRAPHY)
    visible = _visible(folder)
    others = {path: ReleaseFile.of(path, folder / path) for path in visible if path not in shards}
    denied.refuse([*shards.values(), *others.values()])
    if strangers := sorted(others.keys() - KNOWN):
        raise BuildError(
            f"{folder} holds files that its manifest does not name: {', '.join(strangers[:5])}. "
            "Move them away; only what the manifest names is published."
        )
    if CARD not in others:
        raise BuildError(f"{folder} has no card ({CARD}). Run its build command again.")
    card = re.sub(
        r'load_dataset\("[^"]*"',
        f'load_dataset("{repo_id}"',
        (folder / CARD).read_text("utf-8"),
    )
    url = f"{ENDPOINT}/datasets/{repo_id}"
    described = json.dumps(croissant(manifest, url, tag or "main"), indent=1, ensure_ascii=False)
    others[CARD] = ReleaseFile.of(CARD, card.encode())
    others[CROISSANT] = ReleaseFile.of(CROISSANT, described.encode() + b"\n")
    if framework:
        others[EVAL] = ReleaseFile.of(EVAL, benchmark(manifest, framework).encode())
    title = f"data set {manifest.name}, revision {manifest.revision}"
    files = tuple(others[path] for path in sorted(others))
    return Release("dataset", title, folder, tuple(shards.values()), files, manifest.revision)


def _check_model(folder: Path, files: Sequence[ReleaseFile]) -> None:
    """Only weights and text: a pickle runs code when it is loaded, whatever its name."""
    from safetensors import SafetensorError, safe_open

    present = {file.path for file in files}
    for name in ("config.json", WEIGHTS):
        if name not in present:
            raise BuildError(f"{folder} has no {name}; write the model with save_pretrained.")
    for file in files:
        path = folder / file.path
        try:
            if path.suffix == ".safetensors":
                with safe_open(path, framework="numpy"):
                    continue
            if path.suffix in TEXTS or path.name == "LICENSE":
                path.read_text("utf-8")
                continue
        except (SafetensorError, UnicodeDecodeError) as error:
            raise BuildError(f"{path} is not what its name says ({error}).") from error
        raise BuildError(
            f"{path} is neither safetensors nor text ({', '.join(sorted(TEXTS))}). Pickles and "
            "training states are not published, as they can run code; move it away."
        )
    strangers = [f.path for f in files if f.path.endswith(".safetensors") and f.path != WEIGHTS]
    if strangers:
        raise BuildError(
            f"{folder} holds {', '.join(strangers[:5])} beside {WEIGHTS}: the state of a training, "
            "which is not published. Publish a folder that save_pretrained wrote."
        )


def _eval_results(folder: Path) -> list[str]:
    """Paths of the scores that the Hub shows beside a model."""
    found = sorted((folder / ".eval_results").glob("*.yaml"))
    return [path.relative_to(folder).as_posix() for path in found if not path.name.startswith(".")]


def _pointing_to(repo_id: str, file: ReleaseFile) -> ReleaseFile:
    """The file as it is, or the card with code that loads the model from the Hub."""
    if file.path != CARD or not isinstance(file.content, Path):
        return file
    return ReleaseFile.of(CARD, point_to(file.content.read_text("utf-8"), repo_id).encode())


def _check_space(folder: Path, files: Sequence[ReleaseFile], repo_id: str, kind: str) -> str:
    """The Space's `sdk`; everything that its header and `evaluate` look for is there."""
    front = _front_matter(folder)
    if "sdk" not in front:
        raise BuildError(f"{folder / CARD} has no `sdk:` in its header; a Space needs one.")
    needed = {front["app_file"]} if "app_file" in front else set()
    if kind == "metric":
        needed.add(f"{repo_id.rpartition('/')[2]}.py")  # evaluate wants file = repository name
    if absent := sorted(needed - {file.path for file in files}):
        raise BuildError(
            f"{folder} has no {' and no '.join(absent)}, which a {kind} named {repo_id} needs."
        )
    if kind == "space":
        require_pin(folder)
    return str(front["sdk"])


def _front_matter(folder: Path) -> dict[str, Any]:
    """The header of the card; empty if there is none."""
    try:
        text = (folder / CARD).read_text("utf-8")
        front = yaml.safe_load(text.split("---\n")[1]) if text.startswith("---\n") else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, IndexError, yaml.YAMLError) as error:
        raise BuildError(f"The header of {folder / CARD} cannot be read ({error}).") from error
    return front if isinstance(front, dict) else {}


def _visible(folder: Path) -> list[str]:
    """Paths of the files below a folder, without dot files, dot folders and caches."""
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        path.as_posix()
        for path in paths
        if not any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    ]


def _names(path: str) -> set[str]:
    """What a file can be denied by: each part of its path, and its split if it is a shard."""
    parts = PurePosixPath(path).parts
    return {*parts, re.sub(r"-\d{5}-of-\d{5}\.\w+$", "", parts[-1])}


def _denied_shards(folder: Path, files: Sequence[Path]) -> dict[str, str]:
    """Hashes of a data set's shards, if its manifest is denied, or of those that are."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return {}
    known = Manifest.read(folder)
    hashes = {folder / s.path: (s.sha256, s.content_sha256) for s in known.all_shards()}
    tables = {folder / table.path: (table.sha256,) for table in known.report_shards()}
    digests: dict[Path, tuple[str, ...]] = {**hashes, **tables}
    denied = digests if manifest in files else digests.keys() & set(files)
    return {digest: str(file) for file in denied for digest in digests[file]}
