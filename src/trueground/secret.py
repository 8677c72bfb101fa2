"""Credentials in the names of remote files, kept out of all that is written or said."""

from __future__ import annotations

import re

_URL = re.compile(r"(?:://|\?)[^\s'\"<>]+")  # or the end of one, as a file's name
_USER = re.compile(r"^://[^/@]+(?=@)")
_VALUE = re.compile(
    r"([?&;][\w.%-]*(?:sig|token|key|secret|credential|passw|pwd|auth)[\w.%-]*=)[^&;]+",
    re.IGNORECASE,
)


def without_secrets(text: str) -> str:
    """Return a text with the users and passwords, and the signatures, tokens and keys, of its URLs made illegible.

    Examples
    --------
    >>> without_secrets("https://me:word@host/dem.tif?X-Amz-Signature=a1b2&part=3 is damaged")
    'https://***@host/dem.tif?X-Amz-Signature=***&part=3 is damaged'
    """
    return _URL.sub(_shown, text)


def _shown(url: re.Match[str]) -> str:
    return _VALUE.sub(r"\1***", _USER.sub("://***", url.group()))
