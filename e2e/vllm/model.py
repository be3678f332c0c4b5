"""A Llama of random weights with a tokenizer, small enough to be made in a moment.

What is looked at is scheduling, for which any weights will do: vLLM makes them up itself when it is
started with `--load-format dummy`, so a model is its sizes and a tokenizer. It must not know how it
is served.
"""

import json
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MAX_MODEL_LEN: Final = 2048
WORD: Final = "word "
"""One token; any other printable ASCII character is one too, and all else is unknown."""
_SPECIAL: Final = ("<unk>", "<s>", "</s>")
_VOCABULARY: Final = (*_SPECIAL, WORD, *string.printable[:95])
_TEMPLATE: Final = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + ' ' }}"
    "{% endfor %}"
)


@dataclass(frozen=True)
class Shape:
    """Sizes of a Llama.

    Attributes:
        layers: of it.
        hidden: width; as wide are keys and values together, without grouped queries.
        heads: of attention.
    """

    layers: int
    hidden: int
    heads: int

    @property
    def kv_bytes_per_token(self) -> int:
        """In float32."""
        return 2 * self.layers * self.hidden * 4


SHAPES: Final = {
    "cpu": Shape(8, 1024, 16),
    "cpu-small": Shape(4, 512, 8),
    "cpu-tiny": Shape(2, 64, 2),
}
"""Where the simulated engine has a preset for one, it is called the same."""


def make(shape: Shape, folder: Path) -> None:
    """Write the model into a folder that is there."""
    documents: dict[str, dict[str, Any]] = {
        "config.json": _config(shape),
        "tokenizer.json": _tokenizer(),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "unk_token": _SPECIAL[0],
            "bos_token": _SPECIAL[1],
            "eos_token": _SPECIAL[2],
            "model_max_length": MAX_MODEL_LEN,
            "clean_up_tokenization_spaces": False,
            "chat_template": _TEMPLATE,
        },
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=1))


def _config(shape: Shape) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape.hidden,
        # Three matrices of it and the four of attention come to 12 * hidden * hidden.
        "intermediate_size": shape.hidden * 8 // 3 // 16 * 16,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.hidden // shape.heads,
        "hidden_act": "silu",
        "max_position_embeddings": MAX_MODEL_LEN,
        "rms_norm_eps": 1e-5,
        "vocab_size": len(_VOCABULARY),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
    }


def _tokenizer() -> dict[str, Any]:
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": number,
                "content": content,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for number, content in enumerate(_SPECIAL)
        ],
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": f"{WORD}|[\\s\\S]"},
            "behavior": "Isolated",
            "invert": False,
        },
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {
            "type": "WordLevel",
            "vocab": {content: number for number, content in enumerate(_VOCABULARY)},
            "unk_token": _SPECIAL[0],
        },
    }
