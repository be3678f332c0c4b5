"""`helm test`: ask every replica behind the Service whether it leads; one must.

Arguments: the Service, the port of /healthz, for how many seconds to ask. Exit status 0 if one
leads, 1 if none does by then. Runs in the operator's image, on the standard library alone.
"""

import json
import socket
import sys
import time
import urllib.request

ANSWER_SECONDS = 5


def replicas(service: str, port: int) -> list[str]:
    """The addresses behind the Service; none as long as no replica is ready."""
    try:
        found = socket.getaddrinfo(service, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        # A name without a ready replica is not known; this is another failure.
        if error.errno == socket.EAI_AGAIN:
            print(f"{service} cannot be looked up: is there DNS in this cluster?", flush=True)
        return []
    return sorted({str(address[0]) for *_, address in found})


def leads(address: str, port: int) -> bool:
    """Whether that replica answers that it leads."""
    host = f"[{address}]" if ":" in address else address
    url = f"http://{host}:{port}/healthz"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
            return json.load(answer).get("leads") is True
    except (OSError, ValueError) as error:
        print(f"{address} does not answer: {error}", flush=True)
        return False


def main(service: str, port: int, patience: float) -> int:
    """Wait for a leader; say what was found."""
    deadline = time.monotonic() + patience
    while True:
        found = replicas(service, port)
        leaders = [address for address in found if leads(address, port)]
        if leaders:
            print(f"{leaders[0]} leads, of {len(found)} ready replicas.")
            return 0
        if time.monotonic() > deadline:
            print(
                f"No replica behind {service} leads ({len(found)} are ready). "
                f"Its log says why: kubectl logs deploy/{service}"
            )
            return 1
        time.sleep(1)


sys.exit(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
