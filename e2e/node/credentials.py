"""Certificates for the parts of a node, signed by the cluster's own authority.

The kubelet is `system:node:NAME`, so that the API server's Node authorizer and NodeRestriction
treat it as any other. It must not know what the parts are told beside that.
"""

import json
from base64 import b64encode
from pathlib import Path
from tempfile import TemporaryDirectory

from e2e.programs import run

VALID_DAYS = 30


def kubeconfig(pki: Path, server: str, user: str, group: str | None = None) -> str:
    """A kubeconfig, as JSON, by which its holder is `user`, a member of `group`.

    Args:
        pki: the folder with the authority's `ca.crt` and `ca.key`.
        server: URL of the API server.
        user: the certificate's common name, which Kubernetes takes as the user.
        group: its organization, which Kubernetes takes as a group.

    Raises:
        RuntimeError: openssl failed; the message ends with what it said.
    """
    subject = f"/O={group}/CN={user}" if group else f"/CN={user}"
    with TemporaryDirectory() as folder:
        key, request, certificate = (Path(folder) / name for name in ("key", "request", "crt"))
        algorithm = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
        asked = ("req", "-new", "-nodes", "-newkey", *algorithm, "-subj", subject)
        run(["openssl", *asked, "-keyout", key, "-out", request])
        authority = ("-CA", pki / "ca.crt", "-CAkey", pki / "ca.key", "-CAcreateserial")
        signed = ("x509", "-req", "-days", str(VALID_DAYS), "-in", request, "-out", certificate)
        run(["openssl", *signed, *authority, "-CAserial", Path(folder) / "serial"])
        user_of = {
            "client-certificate-data": _base64(certificate),
            "client-key-data": _base64(key),
        }
    cluster = {"server": server, "certificate-authority-data": _base64(pki / "ca.crt")}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "node",
            "contexts": [{"name": "node", "context": {"cluster": "node", "user": "node"}}],
            "clusters": [{"name": "node", "cluster": cluster}],
            "users": [{"name": "node", "user": user_of}],
        }
    )


def _base64(file: Path) -> str:
    return b64encode(file.read_bytes()).decode()
