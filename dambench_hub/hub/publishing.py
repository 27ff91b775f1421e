"""Publishing on the Hugging Face Hub, such that readers see the old version or the new one.

The shards go to a branch of their own first and are compared there with the manifest. Then one
commit moves `main`: it takes the shards over from the branch, adds card, manifest, statistics and
description, and removes the shards of the version before. Last come the tag, and the end of the
branch. Every step looks at the repository first, so that a rerun does what is missing and sends
nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dambench_hub.errors import BuildError
from dambench_hub.hub.release import Release, ReleaseFile
from dambench_hub.runtime.hub_client import check_repo_id, persist, require_token
from dambench_hub.storage.features import CONFIGS
from dambench_hub.storage.manifest import ENSEMBLE
from dambench_hub.storage.preview import PREVIEW

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

SHARD_FOLDERS = {*CONFIGS, ENSEMBLE, PREVIEW, "geography"}
REPO_TYPES = {"dataset": "dataset", "metric": "space", "model": "model", "space": "space"}


def describe(release: Release, repo_id: str, tag: str | None = None) -> str:
    """What `publish` would send to an empty repository, as text; asks nobody."""
    check_repo_id(repo_id)
    repo_type = REPO_TYPES[release.kind]
    size = sum(file.size for file in release.all_files)
    lines = [f"{release.title}, to the {repo_type} {repo_id}:"]
    lines += [f"  {file.path}  {file.size:,} bytes" for file in release.all_files]
    lines.append(f"{len(release.all_files)} files, {size:,} bytes")
    steps = []
    if release.shards:
        steps.append(f"{len(release.shards)} shards to the branch {_branch(release)}, and checked")
    steps.append(f"one commit to main with all files: {_message(release)!r}")
    if tag:
        steps.append(f"the tag {tag}")
    return "\n".join([*lines, *(f"{number}. {step}" for number, step in enumerate(steps, 1))])


def publish(
    release: Release,
    repo_id: str,
    *,
    tag: str | None = None,
    private: bool = False,
    tell: Callable[[str], None] = print,
) -> str:
    """Make a repository of the Hub hold a release, and tag it.

    Args:
        release: See `release.collect`.
        repo_id: `ORG/NAME`; made if there is none.
        tag: Name of the version, like `v1.0`; never moved once it is there.
        private: The repository must be private, and is made so.
        tell: Gets a sentence for each step and for each wait.

    Returns:
        The commit on `main` that holds the release, 40 hexadecimal digits.

    Raises:
        BuildError: When the Hub refuses, or fails longer than we are willing to try. Readers then
            see what they saw before; run it again to go on.
    """
    from huggingface_hub import HfApi

    check_repo_id(repo_id)
    require_token()
    repository = _Repository(HfApi(), repo_id, REPO_TYPES[release.kind], tell)
    return persist(lambda: _advance(repository, release, tag, private), repo_id, tell)


class _Repository:
    """One repository, and what of it is compared with a release."""

    def __init__(
        self, api: HfApi, repo_id: str, repo_type: str, tell: Callable[[str], None]
    ) -> None:
        self.api = api
        self.tell = tell
        self.where: dict[str, Any] = {"repo_id": repo_id, "repo_type": repo_type}

    def create(self, private: bool, sdk: str | None) -> None:
        """Make it unless it is there; never publish in the open what was to be private."""
        self.api.create_repo(**self.where, private=private or None, exist_ok=True, space_sdk=sdk)
        if private and not self.api.repo_info(**self.where).private:
            raise BuildError(
                f"{self.where['repo_id']} is there already, and public. Choose another "
                "--repo-id, make it private on the Hub, or leave --private out."
            )

    def references(self, kind: str) -> dict[str, str]:
        """Commits of the `branches` or `tags`, by name."""
        references = getattr(self.api.list_repo_refs(**self.where), kind)
        return {reference.name: reference.target_commit for reference in references}

    def files(self, revision: str) -> dict[str, RepoFile]:
        """Files of a commit, by path."""
        from huggingface_hub.hf_api import RepoFile

        entries = self.api.list_repo_tree(**self.where, revision=revision, recursive=True)
        return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}

    def absent(self, files: Sequence[ReleaseFile], revision: str) -> list[ReleaseFile]:
        """Those of the files that a commit does not have, or has with other bytes."""
        there = self.files(revision)
        return [file for file in files if not _same(file, there.get(file.path))]


def _advance(repository: _Repository, release: Release, tag: str | None, private: bool) -> str:
    """Do whatever is missing; the commit that holds the release."""
    repository.create(private, release.sdk)
    tags = repository.references("tags") if tag else {}
    if tag in tags:
        head = tags[tag]
        if repository.absent(release.all_files, head):
            raise BuildError(
                f"The tag {tag} is there already, on a version with other content. A tag never "
                "moves: choose another --tag."
            )
        repository.tell(f"{tag} holds this release already.")
    else:
        head = _move_main(repository, release)
        if tag:
            repository.api.create_tag(**repository.where, tag=tag, revision=head)
            repository.tell(f"Tagged {tag}.")
    if release.shards and _branch(release) in repository.references("branches"):
        repository.api.delete_branch(**repository.where, branch=_branch(release))
    return head


def _move_main(repository: _Repository, release: Release) -> str:
    """Make `main` hold the release, in one commit; that commit, or its head if it does already."""
    head = repository.references("branches")["main"]
    there = repository.files(head)
    missing = [file for file in release.all_files if not _same(file, there.get(file.path))]
    outdated = _outdated(release, there) if release.kind == "dataset" else []
    if not missing and not outdated:
        repository.tell("main holds this release already.")
        return head
    head = _commit(repository, release, head, missing, outdated)
    if wrong := repository.absent(release.all_files, head):
        raise _differs(wrong, "main")
    return head


def _commit(
    repository: _Repository,
    release: Release,
    head: str,
    missing: Sequence[ReleaseFile],
    outdated: Sequence[str],
) -> str:
    """Stage what is large, then move `main` at once; the new commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete

    shards = [file for file in missing if file in release.shards]
    staged = _stage(repository, release, shards, head) if shards else None
    operations: list[Any] = [
        CommitOperationCopy(file.path, file.path, src_revision=staged)
        if file in shards
        else CommitOperationAdd(file.path, file.content)
        for file in missing
    ]
    operations += [CommitOperationDelete(path) for path in outdated]
    commit = repository.api.create_commit(
        **repository.where,
        operations=operations,
        commit_message=_message(release),
        parent_commit=head,
    )
    repository.tell(f"main holds {release.title}: {len(missing)} files, commit {commit.oid[:12]}.")
    return commit.oid


def _stage(
    repository: _Repository, release: Release, shards: Sequence[ReleaseFile], head: str
) -> str:
    """Send shards to their branch and compare sizes and hashes there; the branch's commit."""
    branch = _branch(release)
    repository.api.create_branch(**repository.where, branch=branch, revision=head, exist_ok=True)
    missing = repository.absent(shards, branch)
    if missing:
        size = sum(file.size for file in missing)
        repository.tell(f"Sending {len(missing)} shards, {size:,} bytes.")
        repository.api.upload_folder(
            **repository.where,
            folder_path=release.folder,
            allow_patterns=[file.path for file in missing],
            revision=branch,
            commit_message=f"Stage shards of {release.title}",
        )
    staged = repository.references("branches")[branch]
    if wrong := repository.absent(shards, staged):
        raise _differs(wrong, branch)
    return staged


def _outdated(release: Release, there: Iterable[str]) -> list[str]:
    """Files that readers of a data set would take for shards of it."""
    current = {file.path for file in release.all_files}
    return [
        path for path in there if path.partition("/")[0] in SHARD_FOLDERS and path not in current
    ]


def _same(file: ReleaseFile, there: RepoFile | None) -> bool:
    if there is None or there.size != file.size:
        return False
    if there.lfs is not None:
        return there.lfs.sha256 == file.sha256
    return there.blob_id == file.git_sha1


def _differs(wrong: Sequence[ReleaseFile], branch: str) -> BuildError:
    return BuildError(
        f"On {branch}, {len(wrong)} files are not what was sent, the first is {wrong[0].path}. "
        "Perhaps they changed here meanwhile, or somebody else publishes too; run it again."
    )


def _branch(release: Release) -> str:
    return f"staging-{release.revision}"


def _message(release: Release) -> str:
    return f"Publish {release.title}"
