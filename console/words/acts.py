"""Words of what people do about an alert or a review, on its page or from a letter."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, tuple[str, str]] = {
    "was_first": ("此前已有他人处理，您的操作未执行", "Somebody was first: nothing was done"),
}
