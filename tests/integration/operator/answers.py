"""Answers for the replicas on fake nodes, which run no sidecars: a server on loopback.

A replica runs the plan that its pool's Secrets have, as if a kubelet brought it at once, and has
nothing to do, unless a test says otherwise. It asks for the admin token as a sidecar does.
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
        self._work: dict[tuple[str, str], Callable[[], Said | None]] = {}
        self._asked: list[tuple[str, str, str]] = []
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
        """Pods that were asked for their plan, in order."""
        return self._asked_for(namespace, "planz")

    def asked_for_work(self, namespace: str) -> list[str]:
        """Pods that were asked how much they have in hand, in order."""
        return self._asked_for(namespace, "queuez")

    def has(self, namespace: str, pod: str, running: int, waiting: int = 0) -> None:
        """From now on the replica has so many requests."""
        load = [{"tier": "retail", "queued": waiting, "inFlight": running}]
        self._work[namespace, pod] = lambda: (200, {"load": load})

    def hangs(self, namespace: str, pod: str) -> None:
        """From now on it takes the question what it has in hand, and says nothing, for ever."""

        def said() -> None:
            threading.Event().wait()

        self._work[namespace, pod] = said

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
        self._work[namespace, pod] = lambda: None

    def obeys(self, namespace: str, pod: str) -> None:
        """From now on the replica runs what it is given, and has nothing to do."""
        self._instead.pop((namespace, pod), None)
        self._work.pop((namespace, pod), None)

    def _answer(self, path: str, authorization: str) -> Said | None:
        _, namespace, pool, pod, what = path.split("/")
        self._asked.append((namespace, pod, what))
        if authorization != f"Bearer {self._read(namespace, f'{pool}-tokens', 'admin')}":
            return 401, {}
        if what == "queuez":
            return self._work.get((namespace, pod), lambda: (200, {"load": []}))()
        given = json.loads(self._read(namespace, f"{pool}-plan", "index.json"))["version"]
        instead = self._instead.get((namespace, pod))
        return instead(given) if instead else (200, {"version": given, "lastError": ""})

    def _asked_for(self, namespace: str, what: str) -> list[str]:
        return [
            pod for where, pod, about in list(self._asked) if (where, about) == (namespace, what)
        ]

    def _read(self, namespace: str, name: str, entry: str) -> str:
        data = self._core.read_namespaced_secret(name, namespace).data or {}
        return base64.b64decode(data[entry]).decode()


def of(cluster: Cluster) -> Answers:
    """The one that answers for a cluster's pods, as long as this process lives."""
    return _of(cluster.kubeconfig)


_of = functools.cache(Answers)
