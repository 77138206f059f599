"""Corpora that are known by name."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tagwright.data.files import read_bytes
from tagwright.data.sample import sample_files
from tagwright.errors import InputError, RunError, require

__all__ = ["CATALOG", "WNUT17_URL", "CatalogEntry", "Found", "fetch"]

WNUT17_URL = (
    "https://raw.githubusercontent.com/leondz/emerging_entities_17/e52a2d2a71ac1a051ca2d532eef28653c5c02603/"
)


@dataclass(frozen=True, slots=True)
class CatalogEntry:
    """A corpus that is known by name.

    Attributes:
        licence: the licence it stands under.
        credit: who made it and where it comes from, in one line.
        files: the file of each split and its SHA-256.
        url: the folder the files are downloaded from; None where they come with the package.
    """

    licence: str
    credit: str
    files: Mapping[str, tuple[str, str]]
    url: str | None


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a corpus on this machine: the file of each split, the licence, and lines to be told."""

    files: Mapping[str, Path]
    licence: str
    notices: tuple[str, ...]


CATALOG: Mapping[str, CatalogEntry] = {
    "sample": CatalogEntry(
        licence="CC0 1.0",
        credit="a small corpus written for Tagwright, for the demo and the tests; not a benchmark",
        files={},
        url=None,
    ),
    "wnut17": CatalogEntry(
        licence="CC BY 4.0",
        credit="WNUT 2017, emerging and rare entities (Derczynski, Nichols, van Erp and Limsopatham, 2017)",
        files={
            "train": (
                "wnut17train.conll",
                "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5",
            ),
            "validation": (
                "emerging.dev.conll",
                "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8",
            ),
            "test": (
                "emerging.test.annotated",
                "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
            ),
        },
        url=WNUT17_URL,
    ),
}
"""The corpora by name."""


def fetch(
    name: str,
    *,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    url: str | None = None,
    retries: int = 3,
) -> Found:
    """Find a corpus of the catalogue on this machine, or download it.

    Args:
        name: a key of `CATALOG`.
        data_dir: a folder that holds the files, or a folder `NAME` with them; None takes the environment
            variable `TAGWRIGHT_DATA`. Nothing is downloaded where one of them is given.
        cache_dir: where downloads are kept; None is the user's cache folder for Tagwright.
        url: where to download from instead of the entry's own address.
        retries: further tries after a failed download.

    Raises:
        InputError: a file in `data_dir` is missing or not the one that was published.
        RunError: the download failed.
    """
    entry = CATALOG[name]
    told = f"{name}: {entry.credit}; licence {entry.licence}"
    if entry.url is None:
        return Found(sample_files(), entry.licence, (told,))
    given = data_dir or os.environ.get("TAGWRIGHT_DATA")
    if given:
        files = _find(name, entry, Path(given))
    else:
        files = _download(name, entry, cache_dir, url or entry.url, retries)
    return Found(files, entry.licence, (told,))


def _find(name: str, entry: CatalogEntry, folder: Path) -> dict[str, Path]:
    """Return the entry's files in a folder given by the user, checked."""
    first = next(iter(entry.files.values()))[0]
    folder = folder / name if (folder / name / first).is_file() else folder
    found = {}
    for split, (file, sha256) in entry.files.items():
        path = folder / file
        if not path.is_file():
            raise InputError(
                f"there is no {file} for the {split} split of {name}",
                where=str(folder),
                mend="put it there, or unset TAGWRIGHT_DATA to download it",
            )
        actual = hashlib.sha256(read_bytes(path)).hexdigest()
        if actual != sha256:
            raise InputError(
                f"not the published file: its SHA-256 is {actual[:12]}…, not {sha256[:12]}…",
                where=str(path),
                mend="fetch it again, or give the folder itself as the data",
            )
        found[split] = path
    return found


def _download(
    name: str, entry: CatalogEntry, cache_dir: str | Path | None, url: str, retries: int
) -> dict[str, Path]:
    """Return the entry's files from the cache; what is missing or damaged there is downloaded."""
    pooch = require("pooch", "train")
    folder = Path(cache_dir or pooch.os_cache("tagwright")) / name
    registry = {file: f"sha256:{sha256}" for file, sha256 in entry.files.values()}
    store = pooch.create(path=folder, base_url=url, registry=registry, retry_if_failed=retries)
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # its lines would stand between ours
    try:
        return {
            split: Path(store.fetch(file, downloader=_downloader(pooch)))
            for split, (file, _) in entry.files.items()
        }
    except ValueError as error:
        raise RunError(
            "the downloaded file is not the published one: its SHA-256 differs",
            where=url,
            mend="try again, or put the files in a folder by other means and set TAGWRIGHT_DATA to it",
        ) from error
    except (OSError, require("requests", "train").exceptions.RequestException) as error:
        raise RunError(
            f"{name} cannot be downloaded ({_reason(error)})",
            where=url,
            mend=f"without a network put {', '.join(registry)} in a folder and set TAGWRIGHT_DATA to it",
        ) from error
    finally:
        logger.setLevel(level)


def _downloader(pooch: object) -> Callable[..., None]:
    http: Callable[..., Callable[..., None]] = pooch.HTTPDownloader  # type: ignore[attr-defined]  # untyped module
    return http(progressbar=sys.stderr.isatty(), timeout=30)


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "no connection"
