"""How a page is made: escaped templates, and a policy that allows its own script and style alone."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from metalmatrix.files import PACKAGE, read_bounded
from metalmatrix.table.markdown import is_address
from metalmatrix.text import plain_lines

_LONGEST = 1000


def render(template: str, script: str, **context: object) -> str:
    """A page: the template, its script behind the common one, the common style, and the policy for both."""
    code, style = _asset("common.js") + _asset(script), _asset("page.css")
    held: dict[str, Any] = {
        "policy": _policy(code, style),
        "script": Markup(code),  # noqa: S704 - files of this package, held by the policy's hashes
        "style": Markup(style),  # noqa: S704
    }
    return _environment().get_template(template).render(held | context)


def island(model: object) -> Markup:
    """Data for the script, in which nothing ends its element (as jinja2's ``tojson``, without blanks)."""
    text = json.dumps(model, separators=(",", ":"))
    for sign in "<>&'":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - just made harmless


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("metalmatrix.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_text,
    )
    made.filters["address"] = is_address
    made.filters["bare"] = lambda address: str(address).removeprefix("https://")
    return made


def _text(value: object) -> object:
    """What a template shows: a text without control and reordering characters, and with an end."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return plain_lines(value, _LONGEST)
    return value


@cache
def _asset(name: str) -> str:
    return read_bounded(PACKAGE / "site" / "templates" / name)


def _policy(script: str, style: str) -> str:
    """What the page may do: run its script, wear its style, and nothing else (CSP level 3, trusted types)."""

    def source(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {source(script)}",
            f"style-src {source(style)}",
            "img-src data:",  # its icon, which a browser asks for else
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
