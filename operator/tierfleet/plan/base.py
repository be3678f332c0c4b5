"""What every piece of a plan is made of: field types, units, the base model. Pure."""

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

MICRO = 1_000_000
"""Micro service tokens in one service token: the integer unit of all accounting."""


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("must carry a time zone, such as 2026-12-01T00:00:00Z")
    return value.astimezone(UTC)


_SHA256: Final = r"^[0-9a-f]{64}$"


def _hash(value: object, handler: ValidatorFunctionWrapHandler) -> str:
    try:
        return str(handler(value))
    except ValidationError:
        # Without the value: a key in clear is the likeliest mistake.
        raise ValueError(
            "must be the SHA-256 of the secret, 64 digits in lower case: printf %s SECRET |"
            " sha256sum"
        ) from None


Name = Annotated[str, Field(min_length=1, max_length=253)]
Weight = Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,5})(\.[0-9]{1,6})?$")]
"""A decimal string with at most six decimals, so that it is a whole number of micro units."""
Sha256 = Annotated[str, Field(pattern=_SHA256), WrapValidator(_hash)]
"""Of a key or a token: `printf %s KEY | sha256sum`."""
Time = Annotated[datetime, AfterValidator(_in_utc)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Positive = Annotated[int, Field(ge=1, le=10**15)]
Percent = Annotated[int, Field(ge=0, le=100)]


def micro(weight: str) -> int:
    """Micro units of a decimal string of at most six decimals: `micro("0.1") == 100_000`."""
    return int(Decimal(weight) * MICRO)


def sha256_hex(secret: str | bytes) -> str:
    """The form in which keys and tokens stand in a plan: SHA-256, lower-case hex."""
    if isinstance(secret, str):
        # What HTTP libraries make of bytes that are no UTF-8 is a key too, if never the right one.
        secret = secret.encode(errors="surrogateescape")
    return hashlib.sha256(secret).hexdigest()


class Part(BaseModel):
    """Base of everything in a plan: camelCase outside, immutable, unknown fields refused.

    Unknown fields are refused because the plan is a contract on money: a sidecar that does not
    know a field must say so instead of serving without it.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid"
    )
