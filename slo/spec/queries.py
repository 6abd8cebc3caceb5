"""Check PromQL that stands in no file, such as a plugin's."""

from __future__ import annotations

from slo.diagnostics import Span
from slo.promql import PromqlError, check_template
from slo.spec.context import ReadContext

__all__ = ["report_query"]


def report_query(context: ReadContext, span: Span, query: str, author: str) -> bool:
    """
    Check *query* and report what is wrong with it at *span*; return whether it is good.

    Args:
        author: Who wrote it, for the message.
    """
    try:
        check_template(query)
    except PromqlError as error:
        text = " ".join(query.split())
        context.report(error.code, span, f"{author} made a bad query: {error}", f"query: {text}")
        return False
    return True
