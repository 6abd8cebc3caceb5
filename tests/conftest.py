"""Hold what the tests of all folders share."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="Rewrite the expected files of the golden tests; those that change fail once.",
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Tell whether expected files are to be rewritten instead of compared."""
    return bool(request.config.getoption("--update-golden"))
