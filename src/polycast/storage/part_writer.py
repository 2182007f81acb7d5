"""Where the bytes of one incoming part go on local disk."""

import os
from pathlib import Path

from polycast.storage.files import copy_range, create, disk_errors, in_thread, remove, write_all


class PartWriter:
    """Writes one part, into its final place in `whole` if that is still free, else into a file of its own.

    Attributes:
        file: name of the file with the bytes, inside the upload's folder.
        offset: where in it they begin.
    """

    def __init__(self, folder: Path, number: int, part_size: int | None) -> None:
        self._folder = folder
        self._slot: Path | None = None
        self._limit = part_size
        self._written = 0
        self._kept = False
        if part_size is not None:
            slot = folder / f"slot-{number:05}"
            try:
                os.close(os.open(slot, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            except FileExistsError:
                pass  # being written, already there, or its writer was killed
            else:
                self._slot = slot
                self.file = "whole"
                self.offset = (number - 1) * part_size
                self._fd = os.open(folder / "whole", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                return
        self._own_file()

    def _own_file(self) -> None:
        path, self._fd = create(self._folder)
        self.file, self.offset = path.name, 0

    async def write(self, block: bytes) -> None:
        with disk_errors():
            await in_thread(self._write, block)

    def _write(self, block: bytes) -> None:
        if self._slot is not None and self._limit is not None and self._written + len(block) > self._limit:
            self._move_out()
        write_all(self._fd, block, self.offset + self._written)
        self._written += len(block)

    def _move_out(self) -> None:
        """The part is longer than announced and would run into the next one's place."""
        whole, offset = self._fd, self.offset
        try:
            self._own_file()
            os.lseek(self._fd, 0, os.SEEK_SET)
            copy_range(whole, offset, self._written, self._fd)
        finally:
            if self._fd != whole:
                os.close(whole)
        remove(self._folder / self._slot_name())
        self._slot = None

    def _slot_name(self) -> str:
        return self._slot.name if self._slot is not None else ""

    def sync(self) -> None:
        os.fdatasync(self._fd)

    def keep(self) -> None:
        """A record points to the bytes now."""
        self._kept = True

    def close(self) -> None:
        """Unless kept, free the place again."""
        os.close(self._fd)
        if self._kept:
            return
        if self._slot is not None:
            remove(self._slot)
        else:
            remove(self._folder / self.file)
