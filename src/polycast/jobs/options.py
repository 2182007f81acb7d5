"""How a worker behaves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Times of a worker, all in seconds.

    Attributes:
        heartbeat_s: how often it says that it lives.
        stalled_after_s: one that was silent for longer is dead, and its jobs are taken over; several heartbeats.
        poll_s: how often it looks without being told (retries that are due, a lost notification).
        grace_s: how long running jobs may still work once it is told to stop; then they are cancelled
            and go back to the queue.
        reconnect_s: pause before it tries again when the database is gone.
        leave_room: nobody whose jobs have a turn takes the last places; see `polycast.jobs.sharing`.
    """

    heartbeat_s: float = 2.0
    stalled_after_s: float = 15.0
    poll_s: float = 1.0
    grace_s: float = 3.0
    reconnect_s: float = 1.0
    leave_room: bool = False
