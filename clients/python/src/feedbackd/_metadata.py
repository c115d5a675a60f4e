"""Converts metadata to protobuf's Struct and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf.struct_pb2 import Struct, Value

from ._arguments import checked_text
from .errors import invalid_argument
from .values import Metadata

#: The largest whole number that is exact in JSON, where all numbers are doubles.
_INTEGER_MAX = 1 << 53
#: The server's limit; it also ends the recursion into a value that contains itself.
_DEPTH_MAX = 16


def encode_object(struct: Struct, metadata: Mapping[str, Any], depth: int) -> None:
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise TypeError(f"metadata must be a dict by str, one key is {type(key).__name__}")
        _set(struct.fields[checked_text("metadata", key)], value, depth)


def _set(message: Value, value: Any, depth: int) -> None:
    if value is None:
        message.null_value = 0  # type: ignore[assignment]
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, str):
        message.string_value = checked_text("metadata", value)
    elif isinstance(value, (int, float)):
        message.number_value = _number(value)
    elif depth >= _DEPTH_MAX:
        raise invalid_argument("metadata", f"must be at most {_DEPTH_MAX} levels deep")
    elif isinstance(value, Mapping):
        message.struct_value.SetInParent()
        encode_object(message.struct_value, value, depth + 1)
    elif isinstance(value, (list, tuple)):
        message.list_value.SetInParent()
        for item in value:
            _set(message.list_value.values.add(), item, depth + 1)
    else:
        raise TypeError(
            "metadata must be of None, bool, int, float, str, list and dict, one value is "
            + type(value).__name__
        )


def _number(value: float) -> float:
    if isinstance(value, int) and abs(value) > _INTEGER_MAX:
        raise invalid_argument(
            "metadata", "whole numbers above 2**53 would be rounded: pass a string"
        )
    if not math.isfinite(value):
        raise invalid_argument("metadata", "numbers must be finite")
    return float(value)


def decode_object(struct: Struct) -> Metadata:
    return {key: _decode(value) for key, value in struct.fields.items()}


def _decode(message: Value) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return message.string_value
    if kind == "number_value":
        number = message.number_value
        # JSON has one 5 for Python's 5 and 5.0; people mean whole numbers more often.
        is_whole = number.is_integer() and abs(number) <= _INTEGER_MAX
        return int(number) if is_whole else number
    if kind == "bool_value":
        return message.bool_value
    if kind == "struct_value":
        return decode_object(message.struct_value)
    if kind == "list_value":
        return [_decode(value) for value in message.list_value.values]
    return None
