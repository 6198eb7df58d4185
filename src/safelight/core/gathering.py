"""One thread does at once what several wait for: a sync or a commit costs the same for one as for many."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Asked, Answer]):
    asked: Asked
    answers: Sequence[Answer] | None = None
    failure: BaseException | None = None

    @property
    def is_settled(self) -> bool:
        return self.answers is not None or self.failure is not None


class Gathering(Generic[Asked, Answer]):
    """Does what was asked, in the order of asking, for all who wait at that moment. Safe to use from many threads."""

    def __init__(self, do: Callable[[Sequence[Asked]], Sequence[Answer]]) -> None:
        """Use ``do`` for what was gathered: it returns an answer for each, and is never called twice at once."""
        self._do = do
        self._changed = threading.Condition()
        self._waiting: list[_Waiting[Sequence[Asked], Answer]] = []
        self._is_doing = False

    def ask(self, asked: Sequence[Asked]) -> Sequence[Answer]:
        """Return the answers, one for each, once what was asked is done.

        Raises:
            Exception: what ``do`` raised; everybody for whom it was done gets it.
        """
        mine: _Waiting[Sequence[Asked], Answer] = _Waiting(asked)
        with self._changed:
            self._waiting.append(mine)
            # Those whose part is done go on at that moment; one of the others does what gathered meanwhile.
            while self._is_doing and not mine.is_settled:
                self._changed.wait()
            if not mine.is_settled:
                self._is_doing = True
                batch, self._waiting = self._waiting, []
        if not mine.is_settled:
            self._do_for(batch)
        if mine.failure is not None:
            raise mine.failure
        assert mine.answers is not None, "settled"
        return mine.answers

    def _do_for(self, batch: Sequence[_Waiting[Sequence[Asked], Answer]]) -> None:
        try:
            answers = self._do([one for waiting in batch for one in waiting.asked])
        except BaseException as error:  # noqa: BLE001 - everybody who waits must hear of it; each raises it
            for waiting in batch:
                waiting.failure = error
        else:
            at = 0
            for waiting in batch:
                waiting.answers = answers[at : at + len(waiting.asked)]
                at += len(waiting.asked)
        finally:
            with self._changed:
                self._is_doing = False
                self._changed.notify_all()
