"""Ask one server everything that a snapshot is made of."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from slo.engine.sources.http_source import HttpSource
from slo.engine.sources.protocol import Answer, BadAnswer, QueryRefused, Unavailable
from slo.engine.status import queries
from slo.engine.status.reading import Answers
from slo.errors import ToolError

__all__ = ["PartialAnswers", "read_all"]

_QUERIES: Mapping[str, str] = {
    "budgets": queries.BUDGETS,
    "evaluated": queries.EVALUATED,
    "burn_rates": queries.BURN_RATES,
    "events": queries.EVENTS,
    "traffic": queries.TRAFFIC,
    "alerts": queries.ALERTS,
}
# A call must fail for itself, so that the circuit breaker hears of it, before all are cut off.
_SHARE_OF_ONE = 0.8


class PartialAnswers(Unavailable):
    """
    Say that a server answered some of the queries.

    Args:
        answers: What it did answer; the budgets are among it.
    """

    def __init__(self, answers: Answers, reason: str) -> None:
        super().__init__(reason)
        self.answers = answers


async def read_all(source: HttpSource, within: float) -> Answers:
    """
    Return what *source* knows about all SLOs.

    Args:
        within: Seconds that it may take altogether.

    Raises:
        QueryRefused: The server refuses to say how much budget there is.
        PartialAnswers: It did not answer everything.
        Unavailable: It did not answer what matters most.
        BadAnswer: It is no Prometheus.
    """
    tasks = {
        name: asyncio.create_task(source.instant(query, within=within * _SHARE_OF_ONE))
        for name, query in _QUERIES.items()
    }
    try:
        await asyncio.wait(tasks.values(), timeout=within)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    found = {name: _result(source, task) for name, task in tasks.items()}
    budgets = found["budgets"]
    if isinstance(budgets, ToolError):
        raise budgets
    answered = {
        name: answer if isinstance(answer, Answer) else None for name, answer in found.items()
    }
    answered.pop("budgets")
    answers = Answers(source.name, budgets, **answered)
    problems = [found for found in found.values() if isinstance(found, Unavailable | BadAnswer)]
    if problems:
        raise PartialAnswers(answers, str(problems[0]))
    return answers


def _result(source: HttpSource, task: asyncio.Task[Answer]) -> Answer | ToolError:
    if task.cancelled():
        return Unavailable(f"{source.url} gave no answer in time")
    error = task.exception()
    if error is None:
        return task.result()
    if isinstance(error, QueryRefused | Unavailable | BadAnswer):
        return error
    if isinstance(error, ToolError):
        # Such as a file with a token that cannot be read.
        return Unavailable(str(error))
    raise error
