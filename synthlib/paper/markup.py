"""HTML from Python: text is escaped unless it is markup already."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

# What turns the direction of text around, or does not show, is written out: a name must not feign another.
_HIDDEN = {
    number: f"\\u{number:04x}"
    for number in (*range(9), 11, 12, *range(14, 32), *range(127, 160), 0x200B, 0x200E, 0x200F,
                   *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF)
}  # fmt: skip
_VOID = {"meta", "wbr", "img"}  # of HTML
_CLOSED = {"circle", "line", "path"}  # of SVG


class Html(str):
    """Text that is markup: nothing escapes it again."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """An element.

    Args:
        name: of the element.
        children: markup, text (escaped), numbers, None (left out), or iterables of these.
        attributes: values are escaped; None leaves one out, True writes its name alone. `class_` is `class`,
            `aria_label` is `aria-label`.
    """
    written = "".join(_write_attribute(each, value) for each, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{written}>")
    if name in _CLOSED:
        return Html(f"<{name}{written}/>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Any]) -> Html:
    """Children, one after another, as markup."""
    return Html("".join(map(_write, children)))


def _write(child: Any) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, Iterable) and not isinstance(child, str):
        return join(child)
    return html.escape(str(child), quote=False).translate(_HIDDEN)


def _write_attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    name = name.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value)).translate(_HIDDEN)}"'
