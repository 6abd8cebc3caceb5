"""Show one SLO from its spec to a page and back."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import click

from slo.errors import SloError

__all__ = ["command"]

_EXTRA = frozenset({"httpx", "prometheus_client"})
# The stack needs more, and names it; these tell whether the extras were installed at all.
_STACK_EXTRAS = (
    "alembic",
    "apscheduler",
    "fastapi",
    "grafana_foundation_sdk",
    "sqlalchemy",
    "uvicorn",
)


def _default_example() -> Path:
    """Return `examples/demo` of the checkout that this module belongs to."""
    return Path(__file__).resolve().parents[2] / "examples" / "demo"


@click.command(name="demo")
@click.option(
    "--keep",
    is_flag=True,
    envvar="KEEP",
    help="Leave everything running at the end, and print where. Also set by KEEP=1.",
)
@click.option(
    "--example",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the demo's spec, if this is not run from a checkout.",
)
def command(keep: bool, example: Path | None) -> None:
    """
    Break a small shop on real servers and watch its SLO page, its gate and the recovery.

    Compiles examples/demo and brings a stack up with it by `slo stack up`: Prometheus,
    Alertmanager, the engine and, where this machine has them, collectors. Sends traffic to a
    little service, breaks it, and shows the error ratio, the budget, the alert, both
    notifications and the recovery. The engine's gate allows, denies while the page fires, does
    not know once Prometheus hangs, and is overridden. At the end the doctor looks at the stack.
    Takes under three minutes, uses the loopback address only, and leaves nothing behind.

    Exits with 0 only if every step was observed.
    """
    example = example or _default_example()
    if not (example / "shop.yaml").is_file():
        raise click.ClickException(
            f"the demo's spec is not at {example}: run it from a checkout of the repository, "
            "or name its folder examples/demo with --example"
        )
    missing = next((name for name in _STACK_EXTRAS if find_spec(name) is None), None)
    if missing is not None:
        raise click.ClickException(_needs(missing))
    try:
        from slo.stack.demo.journey import run_journey
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise click.ClickException(_needs(error.name)) from error
    try:
        code = run_journey(example, sys.stdout, keep=keep)
    except SloError as error:
        raise click.ClickException(str(error)) from error
    click.get_current_context().exit(code)


def _needs(package: str) -> str:
    return f"the demo needs the Python package {package}: pip install 'slostack[demo,engine,stack]'"
