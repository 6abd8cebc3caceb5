"""Hold what the tests of the API share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import made


@pytest.fixture
def api(tmp_path: Path) -> Iterator[made.Made]:
    """Return an API that is open to everybody and knows a small shop."""
    with made.made(tmp_path, made.shop()) as found:
        yield found
