"""Asks Prometheus what replicas have done: one query per metric, for all pools together.

The client is synchronous, so it works in a thread, with a time limit on the whole. It is not asked
to try again: the next poll is the next try. What comes back is judged by `planning/`, not here.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect
from requests import RequestException
from urllib3.util.retry import Retry

from tierfleet.api import Key
from tierfleet.planning.measured import Sample, Sight

REQUEST_SECONDS: Final = 10
"""Without a byte, after which a query is given up."""
TOTAL_SECONDS: Final = 30.0
"""For all queries of a poll."""

_SAID: Final = 200
"""Characters of an answer that cannot be used, as far as it is logged."""
_NO_RETRY: Final = Retry(total=0)

T = TypeVar("T")
Rows = Iterator[tuple[Mapping[str, str], int, float]]


class PrometheusError(Exception):
    """There is no usable answer; the message says why and holds no secret."""

    def __init__(self, message: str, sight: Sight) -> None:
        """`sight` tells who has to be looked at."""
        super().__init__(message)
        self.sight = sight


@dataclass(frozen=True, slots=True)
class Settings:
    """Where Prometheus is and how it is asked.

    Attributes:
        url: its base, to which /api/v1 is added.
        token: a file with a bearer token, read anew each time.
        interval: seconds of a sub-window, and between two polls.
    """

    url: str
    token: Path | None = None
    interval: int = 60


def problem(settings: Settings) -> str | None:
    """Why it cannot be asked so, as a sentence with the next step; None if it can."""
    try:
        url = urlsplit(settings.url)
        usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return "--prometheus-url is no URL. Give one such as http://prometheus.monitoring:9090."
    if url.username is not None or url.password is not None:
        return "--prometheus-url must hold no credentials. Give a --prometheus-token-file."
    if not usable or url.query or url.fragment:
        return (
            f"--prometheus-url cannot be {settings.url!r}. Give the base URL of a Prometheus, such "
            "as http://prometheus.monitoring:9090."
        )
    try:
        _token(settings.token)
    except PrometheusError as error:
        return str(error)
    return None


class Prometheus:
    """Implements `measuring.Source`."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is asked yet."""
        self._settings = settings
        self._busy = threading.Lock()

    async def read(self, start: int, end: int) -> Mapping[Key, list[Sample]]:
        """What each pod did in the sub-windows that end from `start` to `end` (Unix seconds).

        By namespace and name; what Prometheus does not know is left out.

        Raises:
            PrometheusError: there is no usable answer.
        """
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                return await _in_thread(lambda: self._read(start, end))
        except TimeoutError:
            raise PrometheusError(
                f"no whole answer within {TOTAL_SECONDS:g} s", Sight.UNAVAILABLE
            ) from None

    def _read(self, start: int, end: int) -> Mapping[Key, list[Sample]]:
        if not self._busy.acquire(blocking=False):
            # Its thread cannot be stopped; there is never a second one.
            raise PrometheusError("the last answer is still coming", Sight.UNAVAILABLE)
        try:
            return self._assemble(start, end)
        except PrometheusApiClientException as error:
            said = str(error)[:_SAID]
            away = said.startswith("HTTP Status Code 5")
            raise PrometheusError(said, Sight.UNAVAILABLE if away else Sight.WRONG) from None
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            # Before the next one: what is no JSON is a RequestException too.
            said = f"its answer is none of Prometheus': {error!r}"[:_SAID]
            raise PrometheusError(said, Sight.WRONG) from None
        except RequestException as error:
            raise PrometheusError(str(error)[:_SAID], Sight.UNAVAILABLE) from None
        finally:
            self._busy.release()

    def _assemble(self, start: int, end: int) -> Mapping[Key, list[Sample]]:
        token, step = _token(self._settings.token), self._settings.interval
        found: dict[tuple[Key, int], dict[str, Any]] = {}
        with PrometheusConnect(
            self._settings.url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            retry=_NO_RETRY,
            timeout=REQUEST_SECONDS,
        ) as client:
            for name, query in queries(step).items():
                data = client.custom_query_range(
                    query,
                    datetime.fromtimestamp(start, UTC),
                    datetime.fromtimestamp(end, UTC),
                    str(step),
                )
                for labels, at, value in _rows(data):
                    if not start <= at <= end:
                        continue
                    one = found.setdefault(((labels["namespace"], labels["pod"]), at), {})
                    if "tier" in labels:
                        one.setdefault(name, {})[labels["tier"]] = value
                    else:
                        one[name] = value
        pods: dict[Key, list[Sample]] = {}
        for (pod, at), one in found.items():
            pods.setdefault(pod, []).append(
                Sample(
                    replica=pod[1],
                    end=datetime.fromtimestamp(at, UTC),
                    served=one.get("served", 0.0),
                    full=one.get("full", 0.0),
                    queue_p99=one.get("queue", {}),
                    first_token_p99=one.get("first_token", {}),
                    requests=one.get("requests"),
                )
            )
        return pods


def queries(seconds: int) -> Mapping[str, str]:
    """What is asked about a sub-window of so many seconds.

    Of a pod that is scraped twice the larger counter is taken; a distribution is the same then.
    Percentiles are left out where nothing was observed.
    """

    def counter(name: str) -> str:
        return f"max by (namespace, pod) (rate(tierfleet_sidecar_{name}_total[{seconds}s]))"

    def p99(name: str) -> str:
        by = "namespace, pod, tier, le"
        rates = f"sum by ({by}) (rate(tierfleet_sidecar_{name}_seconds_bucket[{seconds}s]))"
        return f"histogram_quantile(0.99, {rates}) >= 0"

    return {
        "served": counter("served_service_tokens"),
        "requests": counter("served_requests"),
        "full": counter("saturated_seconds"),
        "queue": p99("queue_wait"),
        "first_token": p99("time_to_first_token"),
    }


def _rows(data: Any) -> Rows:
    for series in data:
        labels = series["metric"]
        if "namespace" in labels and "pod" in labels:
            for at, value in series["values"]:
                yield labels, int(at), float(value)


def _token(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        token = path.read_text().strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise PrometheusError(
            f"The bearer token of Prometheus cannot be read from {path}: {reason}. Correct "
            "--prometheus-token-file.",
            Sight.WRONG,
        ) from None
    if not (token.isascii() and token.isprintable() and token and " " not in token):
        raise PrometheusError(
            f"{path} holds no bearer token: one word in ASCII is wanted. Correct it.", Sight.WRONG
        )
    return token


async def _in_thread(work: Callable[[], T]) -> T:
    """Run it beside the loop, in a thread that keeps no process alive: it cannot be interrupted."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # there is one without an error

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as problem:
            error = problem
        # The loop may be gone by now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, name="prometheus", daemon=True).start()
    return await done
