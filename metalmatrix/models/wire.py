"""Protobuf's wire format, as little of it as a graph takes, with a bound on everything.

https://protobuf.dev/programming-guides/encoding/.  A message is read field by field over a view of the
file: what is not asked for (tensors, most of a model) is passed over without being looked at.  The file is
somebody else's: whatever does not fit is a `ModelError`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from metalmatrix.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_FIELDS = 5_000_000
"""Fields of one file that are looked at.  An op has some 20, with its inputs and attributes; the worst that
was made of so many took 750 MB and half a minute (November 2026)."""

MAX_NAME = 4096
"""Bytes of a name; the longest of TensorFlow's are those of scopes within scopes."""

MAX_TEXT = 128 * 2**20
"""Bytes of all names of one file."""


class ModelError(UsageError):
    """A model file cannot be read: it is damaged, too large, or of another kind."""


@dataclass
class Budget:
    """What may still be read of a file.

    Attributes:
        left: Fields.
        text: Bytes of names.
        nodes: How many ops were found; `saved_graphs` bounds them.
    """

    left: int = field(default_factory=lambda: MAX_FIELDS)
    text: int = field(default_factory=lambda: MAX_TEXT)
    nodes: int = 0

    def spend(self, fields: int = 1) -> None:
        """So many fields: read, or what takes as much as they do.

        Raises:
            ModelError: There was one too many.
        """
        self.left -= fields
        if self.left < 0:
            raise ModelError(f"the file has more than {MAX_FIELDS:,} fields: it is no model")


@dataclass(frozen=True)
class Message:
    """A message: a stretch of a file."""

    data: memoryview
    budget: Budget

    def fields(self) -> Iterator[tuple[int, int, int | Message]]:
        """Number, wire type and value of each field: a number, or a message that may be text.

        Raises:
            ModelError: The message is damaged.
        """
        at, end = 0, len(self.data)
        while at < end:
            self.budget.spend()
            key, at = _varint(self.data, at)
            number, kind = key >> 3, key & 7
            if not number:
                raise ModelError("the file is damaged: it has a field without a number")
            if kind == VARINT:
                value, at = _varint(self.data, at)
                yield number, kind, value
            elif kind == BYTES:
                size, at = _varint(self.data, at)
                if size > end - at:
                    raise ModelError("the file is damaged, or was cut off: a part ends behind the whole")
                yield number, kind, Message(self.data[at : at + size], self.budget)
                at += size
            elif kind in {FIXED32, FIXED64}:
                size = 4 if kind == FIXED32 else 8
                if size > end - at:
                    raise ModelError("the file is damaged, or was cut off: a part ends behind the whole")
                yield number, kind, int.from_bytes(self.data[at : at + size], "little")
                at += size
            else:
                raise ModelError(f"the file is damaged: there is no wire type {kind}")

    def messages(self, *wanted: int) -> Iterator[tuple[int, Message]]:
        """The messages in the fields of these numbers.

        Raises:
            ModelError: The message is damaged, or such a field is none.
        """
        for number, _, value in self.fields():
            if number in wanted:
                if not isinstance(value, Message):
                    raise ModelError(f"the file is no model: its field {number} is a number")
                yield number, value

    def packed(self) -> Iterator[int]:
        """The numbers of a packed field.

        Raises:
            ModelError: It is none.
        """
        at = 0
        while at < len(self.data):
            self.budget.spend()
            value, at = _varint(self.data, at)
            yield value

    @property
    def text(self) -> str:
        """The message as a name.

        Raises:
            ModelError: It is none.
        """
        if len(self.data) > MAX_NAME:
            raise ModelError(f"the file has a name of more than {MAX_NAME} bytes")
        self.budget.text -= len(self.data)
        if self.budget.text < 0:
            raise ModelError(f"the names in the file have more than {MAX_TEXT >> 20} MiB: it is no model")
        try:
            found = bytes(self.data).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelError("the file has a name that is no text") from error
        if not found.isprintable():
            raise ModelError("the file has a name with characters that are not to be printed")
        return found


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number in base 128, of 64 bits, and where it ends."""
    value = 0
    for place in range(10):
        if at + place >= len(data):
            break
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value & (1 << 64) - 1, at + place + 1
    raise ModelError("the file is damaged, or was cut off: a number has no end")
