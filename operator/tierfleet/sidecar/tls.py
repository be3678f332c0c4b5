"""TLS of the data port: a certificate and its key from files, read again when they change.

A certificate that is renewed under a running process (by cert-manager through a mounted Secret, by
certbot) is used for the connections that come after it. A pair that cannot be used is refused and
reported, and the one in use stays.
"""

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

_PERIOD: Final = 1.0

log = logging.getLogger(__name__)


class TlsError(Exception):
    """The files are not a certificate and its key; the message is for who gave them."""


class Tls:
    """The server's side of TLS.

    Attributes:
        context: for the listening socket.

    Raises:
        TlsError: on construction, see there.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.context = _context()
        self._seen = self._looks()
        self._load()

    async def run(self) -> None:
        """Look for changes until cancelled."""
        while True:
            await asyncio.sleep(_PERIOD)
            looks = self._looks()
            if looks == self._seen:
                continue
            self._seen = looks
            try:
                self._load()
            except TlsError as error:
                log.warning("The new certificate is refused, the old one stays in use. %s", error)
            else:
                log.info("The certificate has changed and is in use.")

    def _load(self) -> None:
        for path in (self._certificate, self._key):
            try:
                path.open("rb").close()
            except OSError as error:
                raise TlsError(f"{path} cannot be read: {error.strerror}.") from None
        # First into one that nobody uses: a pair that does not fit must not spoil the other.
        for context in (_context(), self.context):
            try:
                context.load_cert_chain(self._certificate, self._key, password=_no_password)
            except (OSError, ssl.SSLError, ValueError) as error:
                raise TlsError(
                    f"{self._certificate} and {self._key} must be a certificate and its key, in"
                    f" PEM, the key not encrypted: {error}."
                ) from None

    def _looks(self) -> tuple[object, ...]:
        found: list[object] = []
        for path in (self._certificate, self._key):
            try:
                stat = path.stat()
            except OSError as error:
                found.append(error.errno)
            else:
                found += [stat.st_ino, stat.st_mtime_ns, stat.st_size]
        return tuple(found)


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _no_password() -> str:
    # Without it OpenSSL would ask on the terminal.
    raise ValueError("the key is encrypted")
