"""Clock and worker together: what `barhouse up` runs, and what a script runs that starts a scheduler itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock

from barhouse.config import Settings
from barhouse.flow.retries import WAITS
from barhouse.flow.scheduling import Timetable, timetable
from barhouse.flow.starts import Starts
from barhouse.scheduler.clock import ticking
from barhouse.scheduler.worker import working
from barhouse.store.postgres import Database


@contextmanager
def running(
    db: Database, settings: Settings, table: Timetable | None = None, *, waits: Sequence[float] = WAITS
) -> Iterator[Starts]:
    """Do tasks, and fire schedules unless another process does; how series start may be changed meanwhile."""
    with ticking(db, settings, table or timetable(settings)), working(db, settings, waits=waits) as starts:
        yield starts


class Engine:
    """The same, to be started and stopped by hand; both may be called twice."""

    def __init__(self, settings: Settings, retries: int = len(WAITS)) -> None:
        self.settings = settings
        self._waits = WAITS[:retries]
        self._stack: ExitStack | None = None
        self._starts: Starts | None = None
        self._one_at_a_time = Lock()

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not stopped since."""
        return self._stack is not None

    @property
    def most(self) -> int:
        """How many series are fetched at the same time."""
        return self._starts.most if self._starts else self.settings.max_concurrent_symbols

    @most.setter
    def most(self, most: int) -> None:
        self.settings = self.settings.model_copy(update={"max_concurrent_symbols": most})
        if self._starts:
            self._starts.most = most

    def start(self, db: Database, table: Timetable | None = None) -> None:
        """Begin, unless it was begun already."""
        with self._one_at_a_time:
            if self._stack is None:
                stack = ExitStack()
                self._starts = stack.enter_context(running(db, self.settings, table, waits=self._waits))
                self._stack = stack

    def stop(self) -> None:
        """End; tasks in hand are given back."""
        with self._one_at_a_time:
            stack, self._stack, self._starts = self._stack, None, None
        if stack:
            stack.close()
