"""nginx, as the origin that answers at once and as the proxy to compare with."""

import json
from pathlib import Path
from typing import Final

from bench.proxy.plan import MODEL

ANSWER: Final = json.dumps(
    {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "created": 1790000000,
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "The quick brown fox jumps."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18},
    },
    separators=(",", ":"),
)
_FRAME: Final = """\
daemon off; worker_processes 1; pid {folder}/{name}.pid; error_log {folder}/{name}.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
  default_type application/json;
  client_body_temp_path {folder}/{name}-body; proxy_temp_path {folder}/{name}-proxy;
  fastcgi_temp_path {folder}/{name}-fastcgi; uwsgi_temp_path {folder}/{name}-uwsgi;
  scgi_temp_path {folder}/{name}-scgi;
  {rest}
}}
"""
_ORIGIN: Final = """\
server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /v1/models {{ return 200 '{models}'; }}
    location = /metrics {{ return 200 ''; default_type text/plain; }}
    location ~ ^/(health|(get_)?(server|model)_info|version)$ {{ return 200 '{{}}'; }}
    location / {{ return 200 '{answer}'; }}
  }}"""
_PROXY: Final = """\
upstream engine {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://engine; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}"""


def origin(folder: Path, port: int) -> list[str]:
    """Command of an origin that gives `ANSWER` to every request."""
    models = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]})
    return _command(folder, "origin", _ORIGIN.format(port=port, answer=ANSWER, models=models))


def proxy(folder: Path, port: int, upstream: int) -> list[str]:
    """Command of a proxy that passes pieces on as they come, as streams need it."""
    return _command(folder, f"proxy-{port}", _PROXY.format(port=port, upstream=upstream))


def _command(folder: Path, name: str, rest: str) -> list[str]:
    path = folder / f"{name}.conf"
    path.write_text(_FRAME.format(folder=folder, name=name, rest=rest))
    return ["nginx", "-c", str(path), "-p", str(folder), "-e", str(folder / f"{name}.log")]
