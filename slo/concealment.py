"""
Keep secrets out of what is printed: the log of a pipeline is read by many.

Specs should hold no secret. Those that do are the ones that are printed, since that is a mistake.
"""

from __future__ import annotations

import re

__all__ = ["MASK", "concealed"]

MASK = "*"
# What is secret by the name of its key.
_NAMES = (
    "api[_-]?key|authori[sz]ation|cookie|credential|pass(?:word|wd|phrase)|routing_key|secret"
    "|service_key|to?ken|toke?n"
)
_NAME = re.compile(_NAMES, re.IGNORECASE)
# A key with its value, as YAML or JSON has them on one line. Bounded, since nobody's line may be
# so long that looking at it takes for ever.
_ENTRY = re.compile(
    rf"""
    (?<![\w.-])(?P<key>["']?[\w.-]{{0,80}}
        (?:{_NAMES}|_file)
        [\w.-]{{0,40}}["']?\s{{0,10}}:\s{{1,40}})
    (?P<value>"[^"]*"?|'[^']*'?|[^\s"'#{{\[&*!|>][^,}}\]\#]*)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_LOGIN = re.compile(r"(?<=://)(?P<user>[^/\s:@\"']*):(?P<password>[^/\s@\"']+)(?=@)")
_QUERY = re.compile(
    rf"(?P<key>[?&][\w.-]{{0,40}}(?:{_NAMES}|key|sig)[\w.-]{{0,40}}=)(?P<value>[^&\s\"'#]+)",
    re.IGNORECASE,
)
# What says where a secret is, not what it is.
_PLACE = re.compile(r"(env:[A-Za-z_]\w*|file:/\S*|true|false|null)\Z")
_PATH = re.compile(r"[\w.~-]*(/[\w.-]+)+\Z")


def concealed(text: str) -> str:
    """
    Return a line with what seems secret masked, and everything where it was.

    >>> concealed("token: abc123  # mine"), concealed("token: env:TOKEN")
    ('token: ******  # mine', 'token: env:TOKEN')
    >>> concealed("url: https://bot:hunter2@chat.example.com")
    'url: https://bot:*******@chat.example.com'
    >>> concealed("url: https://chat.example.com/hook?room=1&api_key=hunter2")
    'url: https://chat.example.com/hook?room=1&api_key=*******'
    """
    text = _LOGIN.sub(lambda m: f"{m['user']}:{MASK * len(m['password'])}", text)
    text = _QUERY.sub(lambda m: f"{m['key']}{MASK * len(m['value'])}", text)
    return _ENTRY.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    value = match["value"]
    bare = value.strip("\"' \t")
    key = match["key"].lower()
    # Addresses in place of files may be secret whatever the key is called.
    names_file = "_file" in key and (
        _PATH.match(bare) or ("://" not in bare and not _NAME.search(key))
    )
    if names_file or _PLACE.match(bare):
        return match[0]
    start = value.index(bare)
    end = start + len(bare)
    return f"{match['key']}{value[:start]}{MASK * len(bare)}{value[end:]}"
