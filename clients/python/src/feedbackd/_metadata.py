"""Metadata to protobuf's Struct and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from .errors import invalid
from .values import Metadata

#: Whole numbers up to here are exact in JSON, where all numbers are doubles.
_INTEGER_MAX = 1 << 53
#: The server's limit, and what keeps a value that contains itself from going on forever.
_DEPTH_MAX = 16


def fill(struct: Struct, metadata: Mapping[str, Any], depth: int) -> None:
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a dict, not {type(metadata).__name__}")
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise invalid("metadata", f"keys must be strings, one is {type(key).__name__}")
        _set(struct.fields[key], value, depth)


def _set(message: Value, value: Any, depth: int) -> None:
    if value is None:
        message.null_value = 0  # type: ignore[assignment]
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, (int, float)):
        message.number_value = _number(value)
    elif depth >= _DEPTH_MAX:
        raise invalid("metadata", f"must be at most {_DEPTH_MAX} levels deep")
    elif isinstance(value, Mapping):
        message.struct_value.SetInParent()
        fill(message.struct_value, value, depth + 1)
    elif isinstance(value, (list, tuple)):
        message.list_value.SetInParent()
        for item in value:
            _set(message.list_value.values.add(), item, depth + 1)
    else:
        raise invalid(
            "metadata",
            "values must be None, booleans, numbers, strings, lists or dicts, one is "
            + type(value).__name__,
        )


def _number(value: float) -> float:
    if isinstance(value, int) and abs(value) > _INTEGER_MAX:
        raise invalid("metadata", "whole numbers above 2**53 would be rounded: pass a string")
    if not math.isfinite(value):
        raise invalid("metadata", "numbers must be finite")
    return float(value)


def plain_object(struct: Struct) -> Metadata:
    return {key: _plain(value) for key, value in struct.fields.items()}


def _plain(message: Value) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return message.string_value
    if kind == "number_value":
        number = message.number_value
        # JSON does not tell 5 from 5.0; whole numbers are what people write.
        is_whole = number.is_integer() and abs(number) <= _INTEGER_MAX
        return int(number) if is_whole else number
    if kind == "bool_value":
        return message.bool_value
    if kind == "struct_value":
        return plain_object(message.struct_value)
    if kind == "list_value":
        return [_plain(value) for value in message.list_value.values]
    return None


def texts_in(value: Any, depth: int) -> list[str]:
    """All strings in a metadata value, which may contain itself."""
    if isinstance(value, str):
        return [value]
    if depth > _DEPTH_MAX:
        return []
    if isinstance(value, Mapping):
        values = [*value, *value.values()]
    elif isinstance(value, (list, tuple)):
        values = list(value)
    else:
        return []
    return [text for item in values for text in texts_in(item, depth + 1)]
