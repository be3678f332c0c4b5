"""What is read of the JSON that goes by; msgspec skips the rest, so a long prompt costs little.

Only shapes: what they mean is for each API's own file to say.
"""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

MOST_CHOICES: Final = 1_000_000
"""More is refused unread; what the engine's seats allow is for the admission core to say."""


class StreamOptions(Struct):
    """Of OpenAI's streams."""

    include_usage: bool | None = None


class Request(Struct):
    """Members that requests of all APIs have, or that may not reach an engine."""

    model: str | None = None
    stream: bool | None = None
    service_tier: str | None = None
    priority: Raw | UnsetType = UNSET


class ChatRequest(Request):
    """Chat completions."""

    messages: Raw = Raw()
    stream_options: StreamOptions | UnsetType | None = UNSET
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    n: Annotated[int, Meta(le=MOST_CHOICES)] | None = None


class CompletionRequest(Request):
    """Completions."""

    prompt: Raw = Raw()
    stream_options: StreamOptions | UnsetType | None = UNSET
    max_tokens: int | None = None
    n: Annotated[int, Meta(le=MOST_CHOICES)] | None = None


class EmbeddingsRequest(Request):
    """Embeddings."""

    input: Raw = Raw()


class ResponsesRequest(Request):
    """OpenAI's responses."""

    input: Raw = Raw()
    instructions: Raw = Raw()
    max_output_tokens: int | None = None


class MessagesRequest(Request):
    """Anthropic's messages."""

    messages: Raw = Raw()
    system: Raw = Raw()
    max_tokens: int | None = None


class PromptDetails(Struct):
    """Part of OpenAI's usage."""

    cached_tokens: int | None = None


class OpenAIUsage(Struct):
    """Of chat completions, completions and embeddings."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: PromptDetails | None = None


class Answer(Struct):
    """A whole answer, or an event of a stream, of those three."""

    usage: OpenAIUsage | None = None
    choices: list[Raw] = []


class ResponsesUsage(Struct):
    """Of OpenAI's responses."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: PromptDetails | None = None


class Response(Struct):
    """A whole response."""

    usage: ResponsesUsage | None = None
    output: list[Raw] = []


class ResponseEvent(Struct):
    """An event of a response's stream; those at its ends carry the whole response."""

    response: Response | None = None


class MessageUsage(Struct):
    """Of Anthropic's messages; each may stand in another event of a stream than the others."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class Message(Struct):
    """A whole message."""

    usage: MessageUsage | None = None
    content: list[Raw] = []


class MessageEvent(Struct):
    """An event of a message's stream."""

    usage: MessageUsage | None = None
    message: Message | None = None


CHAT_REQUEST: Final = msgspec.json.Decoder(ChatRequest)
COMPLETION_REQUEST: Final = msgspec.json.Decoder(CompletionRequest)
EMBEDDINGS_REQUEST: Final = msgspec.json.Decoder(EmbeddingsRequest)
RESPONSES_REQUEST: Final = msgspec.json.Decoder(ResponsesRequest)
MESSAGES_REQUEST: Final = msgspec.json.Decoder(MessagesRequest)
ANSWER: Final = msgspec.json.Decoder(Answer)
RESPONSE: Final = msgspec.json.Decoder(Response)
RESPONSE_EVENT: Final = msgspec.json.Decoder(ResponseEvent)
MESSAGE: Final = msgspec.json.Decoder(Message)
MESSAGE_EVENT: Final = msgspec.json.Decoder(MessageEvent)
MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
ENTRIES: Final = msgspec.json.Decoder(list[Raw])
ENCODER: Final = msgspec.json.Encoder()
