"""Where the API server is and who we are: a kubeconfig from outside, a service account inside.

Every mistake becomes one sentence with the next step, those that only the server can tell included.
It must not know what the connection is for.
"""

import os
import ssl
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp
import yaml
from kubernetes.aio.client import Configuration, rest
from kubernetes.aio.config import kube_config
from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.incluster_config import (
    SERVICE_HOST_ENV_NAME,
    SERVICE_TOKEN_FILENAME,
    load_incluster_config,
)

from tierfleet.kube.cluster import (
    ClusterError,
    UnauthorizedError,
    UnreachableError,
    UntrustedError,
)

DEFAULT_KUBECONFIG = Path("~/.kube/config")
_UNLIMITED = 0


class ConnectError(Exception):
    """No usable credentials; the message is a sentence with the next step."""


class Connection(NamedTuple):
    """How to reach a cluster.

    Attributes:
        configuration: server, certificates, credentials.
        namespace: of the kubeconfig's context, or of the pod that this process runs in.
        in_cluster: this process runs in a pod, with its service account.
        loader: keeps credentials fresh that come from a plugin; None where nothing has to be done.
    """

    configuration: Configuration
    namespace: str
    in_cluster: bool
    loader: kube_config.KubeConfigLoader | None

    async def session(self, user_agent: str, trace: aiohttp.TraceConfig) -> aiohttp.ClientSession:
        """A session of its own to the same server, with the credentials as they are now."""
        headers = {"User-Agent": user_agent}
        # Refreshes a service account's token on the way.
        token = await self.configuration.get_api_key_with_prefix("BearerToken")
        if token is not None:
            headers["Authorization"] = token
        tls = rest.RESTClientObject(self.configuration).ssl_context
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_UNLIMITED, ssl=tls),
            headers=headers,
            proxy=self.configuration.proxy,
            trust_env=True,
            trace_configs=[trace],
        )

    async def keep_fresh(self) -> None:
        """Refresh credentials from a plugin for ever; return at once if there are none."""
        if self.loader is not None:
            await kube_config.refresh_token(self.loader, self.configuration)


async def connect(kubeconfig: Path | None = None, context: str | None = None) -> Connection:
    """The connection to use, looked for as kubectl does.

    In this order: `kubeconfig`, the files in `KUBECONFIG`, `~/.kube/config`, the service account
    of the pod that this process runs in.

    Raises:
        ConnectError: none of them is there, or the one that is cannot be used.
    """
    configuration = Configuration()
    # One watch per resource and namespace stays open, beside the requests.
    configuration.connection_pool_maxsize = _UNLIMITED
    paths = _kubeconfig_paths(kubeconfig)
    if paths is None:
        return _in_cluster(configuration)
    try:
        loader = await kube_config.load_kube_config(
            config_file=paths,
            context=context,
            client_configuration=configuration,
            persist_config=False,
        )
        # Reads the certificates, which every client does again: better here than in the middle.
        rest.RESTClientObject(configuration)
    except ssl.SSLError as error:
        raise ConnectError(
            f"The kubeconfig {paths} has a certificate or key that cannot be read: {error}. "
            "It must be PEM, and the key must fit its certificate: check certificate-authority, "
            "client-certificate and client-key, or fetch the kubeconfig anew."
        ) from error
    except (TypeError, KeyError, AttributeError) as error:
        raise _unusable(paths, "it is empty, or has not the form of one") from error
    except (ConfigException, yaml.YAMLError, OSError, ValueError) as error:
        reason = " ".join(str(error).split()) or error.__class__.__name__
        raise _unusable(paths, reason.rstrip(".")) from error
    _check_server(paths, configuration.host)
    namespace = loader.current_context["context"].get("namespace") or "default"
    plugin = "exec" in (_user_of(loader) or {})
    return Connection(configuration, namespace, False, loader if plugin else None)


def explain(error: ClusterError, server: str) -> str:
    """Why nothing can be asked of the server, as a sentence with the next step."""
    reason = str(error).strip().rstrip(".")
    match error:
        case UntrustedError():
            return (
                f"The certificate of the API server at {server} cannot be trusted: {reason}. "
                "Correct certificate-authority (or server) in the kubeconfig, fetch it anew, or "
                "choose another --context."
            )
        case UnreachableError():
            return (
                f"The API server at {server} does not answer: {reason}. Check that it runs and "
                "that this machine reaches it, or choose another --context."
            )
        case UnauthorizedError():
            return (
                f"The API server at {server} does not accept these credentials. "
                "Log in again, or choose another --context."
            )
        case _:
            return (
                f"The API server at {server} refuses: {reason}. "
                "Choose another --context, or ask its administrator."
            )


def _unusable(paths: str, reason: str) -> ConnectError:
    return ConnectError(
        f"The kubeconfig {paths} cannot be used: {reason}. "
        "Check it with `kubectl config view`, or name another one with --kubeconfig."
    )


def _check_server(paths: str, server: str) -> None:
    try:
        parts = urlsplit(server)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise _unusable(paths, f"its server is {server!r}, not a URL such as https://10.0.0.1:6443")


def _kubeconfig_paths(kubeconfig: Path | None) -> str | None:
    """What to load, in the form of `KUBECONFIG`; None to use the service account."""
    named = str(kubeconfig) if kubeconfig else os.environ.get("KUBECONFIG", "")
    if named:
        if not any(Path(path).expanduser().is_file() for path in named.split(os.pathsep) if path):
            raise ConnectError(
                f"There is no kubeconfig at {named}. "
                "Name an existing file with --kubeconfig or in KUBECONFIG."
            )
        return named
    default = DEFAULT_KUBECONFIG.expanduser()
    if default.is_file():
        return str(default)
    if os.environ.get(SERVICE_HOST_ENV_NAME):
        return None
    raise ConnectError(
        f"There is no kubeconfig: {DEFAULT_KUBECONFIG} does not exist, KUBECONFIG is not set, and "
        "this process does not run in a pod. Name a file with --kubeconfig."
    )


def _in_cluster(configuration: Configuration) -> Connection:
    try:
        load_incluster_config(configuration)
        namespace = Path(SERVICE_TOKEN_FILENAME).with_name("namespace").read_text().strip()
    except (ConfigException, OSError) as error:
        raise ConnectError(
            f"The service account of this pod cannot be used: {str(error).rstrip('.')}. "
            "Set automountServiceAccountToken to true in the pod, or name a file with --kubeconfig."
        ) from error
    return Connection(configuration, namespace, True, None)


def _user_of(loader: kube_config.KubeConfigLoader) -> dict[str, object] | None:
    config = loader._config.value
    name = loader.current_context["context"].get("user")
    users = (user.value for user in config.get("users", []))
    return next((user["user"] for user in users if user["name"] == name), None)
