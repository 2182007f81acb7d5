"""How fast a server must send: a floor that no pause, break or new connection slips below."""

import time


class Pace:
    """Bytes over time, in windows one after the other.

    Time counts while a server is waited for, for its header too; time that the reader takes does not.

    Args:
        window_s: over how many seconds a rate is looked at: a short stall is forgiven.
        floor: bytes per second.
    """

    def __init__(self, window_s: float, floor: float) -> None:
        self._window_s = window_s
        self._floor = floor
        self._begun = time.monotonic()
        self._bytes = 0

    def took(self, count: int) -> None:
        """Bytes have come."""
        self._bytes += count

    def excuse(self, seconds: float) -> None:
        """The reader took so long: the server could not send."""
        self._begun += seconds

    def too_slow(self) -> bool:
        """Whether a window has ended below the floor; begins the next one where one has ended."""
        passed = time.monotonic() - self._begun
        if passed <= self._window_s:
            return False
        slow = self._bytes < self._floor * passed
        self._begun += passed
        self._bytes = 0
        return slow
