"""Credentials in the names of remote files, kept out of all that is written or said."""

from __future__ import annotations

import re

_URL = re.compile(r"(?:://|\?)[^\s'\"<>]+")  # or the end of one, as a file's name
_USER = re.compile(r"^://[^/?#]+(?=@)")
# Also within an address that is itself a parameter of another: %3F, %26 and %3D are ?, & and =.
_VALUE = re.compile(
    r"((?:[?&;]|%3F|%26)[\w.-]*(?:sig|token|key|secret|credential|passw|pwd|auth)[\w.-]*(?:=|%3D))(?:(?!%26)[^&;])+",
    re.IGNORECASE,
)
_CONNECTION = re.compile(
    r"(\b(?:password|passwd|pwd)\s*=\s*)(?:'[^']*'|[^\s'\"&;,]+)", re.IGNORECASE
)  # of a database


def without_secrets(text: str) -> str:
    """Return a text with the users and passwords, and the signatures, tokens and keys, of its URLs made illegible.

    Examples
    --------
    >>> without_secrets("https://me:word@host/dem.tif?X-Amz-Signature=a1b2&part=3 is damaged")
    'https://***@host/dem.tif?X-Amz-Signature=***&part=3 is damaged'
    """
    return _CONNECTION.sub(r"\1***", _URL.sub(_shown, text))


def _shown(url: re.Match[str]) -> str:
    return _VALUE.sub(r"\1***", _USER.sub("://***", url.group()))
