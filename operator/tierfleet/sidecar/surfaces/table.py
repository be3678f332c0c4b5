"""Which API is served where."""

from typing import Final

from tierfleet.sidecar.surfaces.anthropic import Messages
from tierfleet.sidecar.surfaces.openai import Chat, Completions, Embeddings
from tierfleet.sidecar.surfaces.responses import Responses
from tierfleet.sidecar.surfaces.surface import Surface

SURFACES: Final[dict[bytes, Surface]] = {
    b"/v1/chat/completions": Chat(),
    b"/v1/completions": Completions(operation="text_completion"),
    b"/v1/embeddings": Embeddings(operation="embeddings"),
    b"/v1/messages": Messages(),
    b"/v1/responses": Responses(),
}
"""By path; all are POST."""
SERVED: Final = (
    "POST /v1/chat/completions, POST /v1/completions, POST /v1/embeddings, POST /v1/messages, "
    "POST /v1/responses, GET /v1/models, GET /v1/models/NAME, GET /metrics"
)
"""For people who ask for something else."""
