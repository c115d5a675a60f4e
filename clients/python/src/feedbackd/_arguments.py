"""Checks of arguments; each raises an error that names the argument at fault.

A value of a wrong type is a TypeError, one that breaks a rule INVALID_ARGUMENT, as from the server.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any

from .errors import invalid_argument

#: About 30 years: not much less than system calls take without an overflow.
_TIMEOUT_SECONDS_MAX = 1e9
_INT32_MIN, _INT32_MAX = -(1 << 31), (1 << 31) - 1


def wrong_type(field: str, expected: str, value: object) -> TypeError:
    return TypeError(f"{field} must be {expected}, not {type(value).__name__}")


def checked_text(field: str, text: str) -> str:
    """Returns the text; raises INVALID_ARGUMENT if UTF-8 cannot express it."""
    if not isinstance(text, str):
        raise wrong_type(field, "a str", text)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid_argument(field, "must be valid UTF-8, has a lone surrogate") from None
    return text


def checked_texts(field: str, texts: Iterable[str]) -> list[str]:
    items = checked_list(field, texts)
    for item in items:
        if not isinstance(item, str):
            raise TypeError(f"{field} must be of str, one is {type(item).__name__}")
        checked_text(field, item)
    return items


def checked_list(field: str, items: Iterable[Any]) -> list[Any]:
    # A string is an iterable of its letters too, and a dict of its keys, but no caller means these.
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
        raise wrong_type(field, "a list", items)
    return list(items)


def clamped_int32(field: str, number: int) -> Any:
    """Returns the number, or the nearest one that a field holds, which the server refuses."""
    try:
        whole = operator.index(number)
    except TypeError:
        raise wrong_type(field, "an int", number) from None
    # To Python, True is the number 1.
    if isinstance(number, bool):
        raise wrong_type(field, "an int", number)
    return max(_INT32_MIN, min(whole, _INT32_MAX))


def checked_bool(field: str, flag: bool) -> bool:
    if not isinstance(flag, bool):
        raise wrong_type(field, "a bool", flag)
    return flag


def checked_timeout(timeout: float) -> float:
    """Returns the timeout as a float; raises INVALID_ARGUMENT if it is out of range."""
    if isinstance(timeout, bool) or not isinstance(timeout, (Real, Decimal)):
        raise wrong_type("timeout", "a number of seconds", timeout)
    try:
        seconds = float(timeout)
    except (OverflowError, ValueError):
        # Too large, or a Decimal's signaling NaN.
        seconds = math.inf
    if not 0 < seconds <= _TIMEOUT_SECONDS_MAX:
        raise invalid_argument(
            "timeout", f"must be above 0 and at most {_TIMEOUT_SECONDS_MAX:g} seconds"
        )
    return seconds
