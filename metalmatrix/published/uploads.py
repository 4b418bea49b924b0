"""When the releases of any package were uploaded, asked of the index: what a search in time goes by."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from metalmatrix.published.update import TIMEOUT, Reader, default_index

if TYPE_CHECKING:
    import datetime as dt

    from packaging.version import Version


def fetch_uploads(
    distribution: str, *, index: str | None = None, timeout: float = TIMEOUT
) -> dict[str, dt.date]:
    """The final releases of a distribution with the day of each one's first file, ascending by version.

    Yanked files and those without a day are left out.

    Args:
        distribution: Its name.
        index: The address of a simple API; that of uv and pip where None.
        timeout: Seconds the index may be silent.

    Raises:
        IndexUnreachableError: The index did not answer, or its answer cannot be used.
    """
    from pypi_simple import ACCEPT_JSON_PREFERRED, PyPISimple  # noqa: PLC0415 - `nox -l` needs no HTTP client

    days: dict[Version, dt.date] = {}
    with PyPISimple(index or default_index(), accept=ACCEPT_JSON_PREFERRED) as client:
        for known in Reader(client, distribution, timeout, {}, {}, Counter()).known():
            if not (known.version.is_prerelease or known.file.yanked):
                days[known.version] = min(days.get(known.version, known.file.uploaded), known.file.uploaded)
    return {str(version): days[version] for version in sorted(days)}
