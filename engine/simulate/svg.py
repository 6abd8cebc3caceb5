"""Write the few shapes of an SVG that plots need, in colours for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["circle", "document", "line", "path", "rectangle", "text"]

# Colours that stay apart for people who see red and green alike.
_STYLE = """
svg { color-scheme: light dark; --ink: #1f2328; --soft: #656d76; --grid: #d8dee4; --paper: #ffffff;
  --page: #c4312f; --ticket: #9a6700; --burn: #0969da; --before: #8250df; }
@media (prefers-color-scheme: dark) {
  svg { --ink: #e6edf3; --soft: #9198a1; --grid: #30363d; --paper: #0d1117;
    --page: #ff7b72; --ticket: #e3b341; --burn: #58a6ff; --before: #bc8cff; } }
text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink); }
.title { font-size: 15px; font-weight: 600; }
.soft { fill: var(--soft); }
.end { text-anchor: end; }
.middle { text-anchor: middle; }
.paper { fill: var(--paper); }
.grid { stroke: var(--grid); stroke-width: 1; fill: none; }
.frame { stroke: var(--soft); stroke-width: 1; fill: none; }
.page, .ticket, .burn, .before { fill: none; stroke-width: 2; stroke-linejoin: round; }
.page { stroke: var(--page); } .ticket { stroke: var(--ticket); } .burn { stroke: var(--burn); }
.before { stroke: var(--before); }
.thin { stroke-width: 1.2; } .dashed { stroke-dasharray: 5 4; }
.page-fill { fill: var(--page); } .ticket-fill { fill: var(--ticket); }
.shade { opacity: 0.16; }
.page.hollow, .ticket.hollow { fill: var(--paper); }
.page-text { fill: var(--page); font-weight: 600; }
.ticket-text { fill: var(--ticket); font-weight: 600; }
.burn-text { fill: var(--burn); font-weight: 600; }
"""


def document(width: int, height: int, title: str, shapes: Iterable[str]) -> str:
    """
    Return a complete SVG file.

    Args:
        title: What it shows, for people who do not see it.
    """
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{escape(title)}">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n"
        f'<rect class="paper" width="{width}" height="{height}"/>\n{body}\n</svg>\n'
    )


def text(x: float, y: float, content: str, style: str = "") -> str:
    """Return *content* with its baseline at *y*."""
    return f'<text x="{_n(x)}" y="{_n(y)}"{_class(style)}>{escape(content)}</text>'


def circle(x: float, y: float, style: str, title: str) -> str:
    """Return a point; *title* shows when the pointer rests on it."""
    place = f'cx="{_n(x)}" cy="{_n(y)}" r="4"{_class(style)}'
    return f"<circle {place}><title>{escape(title)}</title></circle>"


def line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    """Return a straight line."""
    return path([[(x1, y1), (x2, y2)]], style)


def path(strokes: Iterable[Sequence[tuple[float, float]]], style: str) -> str:
    """Return strokes of a pen that is lifted between them."""
    parts = ["M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points) for points in strokes if points]
    return f'<path d="{"".join(parts)}"{_class(style)}/>'


def rectangle(x: float, y: float, width: float, height: float, style: str, title: str = "") -> str:
    """Return a rectangle; *title* shows when the pointer rests on it."""
    attributes = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"{_class(style)}'
    if not title:
        return f"<rect {attributes}/>"
    return f"<rect {attributes}><title>{escape(title)}</title></rect>"


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
