"""Answers for the replicas on fake nodes, which run no sidecars: a server on loopback.

A replica runs the plan that its pool's Secrets have, as if a kubelet brought it at once, unless a
test says otherwise. It asks for the admin token as a sidecar does.
"""

import base64
import contextlib
import functools
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kubernetes

from e2e.cluster import Cluster

Said = tuple[int, dict[str, Any]]
"""HTTP status and document of an answer."""


class Answers:
    """What each replica says, and who was asked."""

    def __init__(self, kubeconfig: Path) -> None:
        client = kubernetes.config.new_client_from_config(str(kubeconfig))
        self._core = kubernetes.client.CoreV1Api(client)
        self._instead: dict[tuple[str, str], Callable[[str], Said | None]] = {}
        self._asked: list[tuple[str, str]] = []
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                said = answers._answer(self.path, self.headers.get("Authorization", ""))
                if said is None:
                    self.close_connection = True
                    return
                status, document = said
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # whoever asked was killed meanwhile
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def asked(self, namespace: str) -> list[str]:
        """Pods that were asked, in order."""
        return [pod for where, pod in list(self._asked) if where == namespace]

    def refuses(self, namespace: str, pod: str, version: str, why: str) -> None:
        """From now on the replica refuses what is not that version."""

        def said(given: str) -> Said:
            last_error = "" if given == version else why
            return 200, {"version": version, "lastError": last_error, "group": "gpu"}

        self._instead[namespace, pod] = said

    def stays_at(self, namespace: str, pod: str, version: str) -> None:
        """From now on the replica has only that version: its kubelet brings no other."""
        self.refuses(namespace, pod, version, "")

    def is_silent(self, namespace: str, pod: str) -> None:
        """From now on the connection breaks off."""
        self._instead[namespace, pod] = lambda _: None

    def obeys(self, namespace: str, pod: str) -> None:
        """From now on the replica runs what it is given."""
        self._instead.pop((namespace, pod), None)

    def _answer(self, path: str, authorization: str) -> Said | None:
        _, namespace, pool, pod, _ = path.split("/")
        self._asked.append((namespace, pod))
        if authorization != f"Bearer {self._read(namespace, f'{pool}-tokens', 'admin')}":
            return 401, {}
        given = json.loads(self._read(namespace, f"{pool}-plan", "index.json"))["version"]
        instead = self._instead.get((namespace, pod))
        return instead(given) if instead else (200, {"version": given, "lastError": ""})

    def _read(self, namespace: str, name: str, entry: str) -> str:
        data = self._core.read_namespaced_secret(name, namespace).data or {}
        return base64.b64decode(data[entry]).decode()


def of(cluster: Cluster) -> Answers:
    """The one that answers for a cluster's pods, as long as this process lives."""
    return _of(cluster.kubeconfig)


_of = functools.cache(Answers)
