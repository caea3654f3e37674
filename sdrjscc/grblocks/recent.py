"""What came last, within bounds: dictionaries with their vectors, until they are matched."""

from typing import Generic, TypeVar

from sdrjscc.grblocks.pdu import Array, Meta

Key = TypeVar("Key")


class Recent(Generic[Key]):
    """The latest PDUs by a key; the oldest go when there are too many, or too many bytes."""

    def __init__(self, count: int, limit_bytes: int) -> None:
        """Set the bounds; one that is larger than ``limit_bytes`` is kept alone."""
        self._count, self._limit_bytes = count, limit_bytes
        self._items: dict[Key, tuple[Meta, Array]] = {}
        self._bytes = 0

    def put(self, key: Key, meta: Meta, data: Array) -> None:
        """Keep a PDU in place of what had this key."""
        self.pop(key)
        self._items[key] = meta, data
        self._bytes += data.nbytes
        while len(self._items) > 1 and (len(self._items) > self._count or self._bytes > self._limit_bytes):
            self.pop(next(iter(self._items)))

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: Key) -> tuple[Meta, Array] | None:
        """The PDU of this key."""
        return self._items.get(key)

    def pop(self, key: Key) -> tuple[Meta, Array] | None:
        """Take the PDU of this key out."""
        found = self._items.pop(key, None)
        if found is not None:
            self._bytes -= found[1].nbytes
        return found

    def pop_through(self, key: Key) -> tuple[Meta, Array] | None:
        """Take the PDU of this key out, and forget those that came before it."""
        if key in self._items:
            while next(iter(self._items)) != key:
                self.pop(next(iter(self._items)))
        return self.pop(key)

    def clear(self) -> None:
        """Forget all."""
        self._items.clear()
        self._bytes = 0
