"""Where nginx answers otherwise, and why ours is right, or at least not wrong.

nginx is a general proxy in front of servers that it does not know. The sidecar stands in front of
one engine, for a few APIs, and bills by what it has read, so it refuses whatever another parser
might read otherwise; RFC 9112 allows a server to reject any of it.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Difference:
    """nginx's answers, the requests that it lets through, and the explanation."""

    answers: tuple[int, ...]
    reached: int
    why: str


_LF: Final = (
    "nginx takes a bare LF for a line's end (9112 2.2 allows both); ours refuses, as engines differ"
)
_WE_ANSWER: Final = "a proxy passes on what the sidecar answers itself, from the plan"
_NO_TASK: Final = "nginx does not know what is in a body; ours says what is wrong with it"
_501: Final = "501 says the coding is not supported; ours calls it broken, and both close"
_LENIENT: Final = (
    "nginx reads on where the grammar has been left (9112 3); what it makes of it is its own"
)
_NOT_CHECKED: Final = "nginx passes on what it does not need itself"
_LIMITS: Final = "another limit, or another status for the same one"

_GROUPS: Final[tuple[tuple[tuple[int, ...], int, str, tuple[str, ...]], ...]] = (
    ((200,), 1, _NO_TASK, (
        "no length, no body", "a length of 0", "a second request inside a body",
        "has a body in gzip", "two keys in the other field",
    )),
    ((200,), 1, _LF, (
        "a bare LF after a size", "a bare LF after the data", "a bare LF after the last chunk",
        "a bare LF in a trailer", "a bare LF after the request line", "bare LFs throughout",
        "a bare LF before the request", "a bare LF in a value",
        "a bare LF at the end of the head",
    )),
    ((200,), 1, "nginx skips to the next LF after a size and after the data (9112 7.1 has no such slack)", (
        "a size that is too large", "a gap after a size", "a control character in an extension",
        "an endless extension",
    )),
    ((200,), 1, _LENIENT, (
        "a method with a hyphen", "an endless method", "two spaces after the method",
        "two spaces before the version", "a space after the version", "version 1.01",
        "a fragment in the target", "bytes beyond ASCII in the target", "another scheme",
        "a trailer that is none", "no colon", "a name beyond ASCII", "a name in brackets",
    )),
    ((200,), 1, "nginx speaks 1.1 to any minor version above (9110 2.5); ours knows two", (
        "version 1.2",
    )),
    ((0,), 1, "nginx still answers HTTP/0.9, without a head", ("no version",)),
    ((400,), 0, "505 says more than 400", ("version 0.9 by name", "HTTP/2's preface")),
    ((200,), 1, _NOT_CHECKED, (
        "with a user", "beyond ASCII", "a control character in a value", "DEL in a value",
        "expects something else",
    )),
    ((501,), 0, _501, (
        "a list of chunked", "a list that ends with chunked", "a list that begins with chunked",
        "identity", "another coding", "nearly chunked", "chunked in quotes",
        "chunked with a parameter", "chunked and a comma", "chunked after a vertical tab",
        "an empty coding",
    )),
    ((500,), 0, "nginx gives up on endless trailers with a 500; they are the client's fault", (
        "endless trailers",
    )),
    ((200, 200), 2, _WE_ANSWER, (
        "a second request behind a body that is complete", "a second request behind chunks",
    )),
    ((200,), 1, _WE_ANSWER, (
        "a GET with a body", "a GET", "a HEAD has no body", "a query", "the absolute form",
        "the absolute form, scheme in upper case", "the absolute form without a path",
        "an empty line before the request", "a method that nobody knows",
        "a method that is not served", "a path that is not served", "dots in the path are kept",
        "a port", "an IPv6 address", "a name in another spelling", "none in HTTP/1.0",
    )),
    ((400,), 0, "nginx does not know the asterisk form; ours does, and serves nothing there", (
        "OPTIONS of all",
    )),
    ((200,), 1, _LIMITS, ("101 fields",)),
    ((400,), 0, _LIMITS, ("a head of 40 KB", "a head that does not end")),
    ((), 0, "nginx judges a chunked body when it is there; ours at the size of the chunk", (
        "a chunk beyond the limit",
    )),
)  # fmt: skip

DIFFERENCES: Final = {
    name: Difference(answers, reached, why)
    for answers, reached, why, names in _GROUPS
    for name in names
}
"""By the name of the case."""
