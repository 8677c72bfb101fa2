"""XML from strangers: parsed without document types, entities, namespaces and the encoding it claims."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from trueground.errors import RpcError

_MOST_TAGS = 1 << 19  # a tree of them takes some 100 MB; Maxar's files have some 5000
_DECLARATION = re.compile(r"<!(DOCTYPE|ENTITY)", re.IGNORECASE)


def parsed(text: str) -> ElementTree.Element:
    """Return the root element; the text must have been decoded already.

    Raises
    ------
    RpcError
        Where the text is malformed, has more tags than any RPC file, or declares a document type or
        entities: these can make a small file large and read other files, and no RPC needs them.
    """
    if _DECLARATION.search(text) is not None:
        msg = "the XML declares a document type or entities: refused, RPC files need none"
        raise RpcError(msg)
    if (tags := text.count("<")) > _MOST_TAGS:
        msg = f"the XML has {tags} tags: refused above {_MOST_TAGS}, RPC files have some thousands"
        raise RpcError(msg)
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        msg = f"the XML is malformed ({error})"
        raise RpcError(msg) from error


def local_name(element: ElementTree.Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]
