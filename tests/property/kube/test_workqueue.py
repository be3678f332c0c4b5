"""The queue against a model so simple that it is right by reading: lists and sets, no heap."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tierfleet.kube.workqueue import FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS, WorkQueue

KEYS = st.sampled_from("abcd")


class Model(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.queue = WorkQueue[str]()
        self.now = 0.0
        self.waiting: list[str] = []
        self.taken: set[str] = set()
        self.again: set[str] = set()
        self.later: dict[str, float] = {}
        self.failures: dict[str, int] = {}
        self.since: dict[str, float] = {}

    def added(self, key: str, at: float) -> None:
        self.since.setdefault(key, at)
        if key in self.taken:
            self.again.add(key)
        elif key not in self.waiting:
            self.waiting.append(key)

    def delayed(self, key: str, seconds: float) -> None:
        if self.now + seconds < self.later.get(key, float("inf")):
            self.later.pop(key, None)
            self.later[key] = self.now + seconds

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key, self.now)
        self.added(key, self.now)

    @rule(key=KEYS, seconds=st.floats(0.001, 100))
    def add_after(self, key: str, seconds: float) -> None:
        self.queue.add_after(key, seconds, self.now)
        self.delayed(key, seconds)

    @rule(key=KEYS)
    def add_at_once(self, key: str) -> None:
        self.queue.add_after(key, 0, self.now)
        self.added(key, self.now)

    @rule(key=KEYS)
    def retry(self, key: str) -> None:
        seconds = self.queue.retry(key, self.now)
        failures = self.failures.get(key, 0)
        assert seconds == min(FIRST_BACKOFF_SECONDS * 2**failures, LONGEST_BACKOFF_SECONDS)
        self.failures[key] = failures + 1
        self.delayed(key, seconds)

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.queue.forget(key)
        self.failures.pop(key, None)

    @rule(seconds=st.floats(0, 50))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def take(self) -> None:
        for late in sorted((k for k in self.later if self.later[k] <= self.now), key=self.due):
            self.added(late, self.later.pop(late))
        found = self.queue.take(self.now)
        if not self.waiting:
            assert found is None
            return
        key = self.waiting.pop(0)
        assert key not in self.taken, "two workers have one key"
        assert found == (key, self.now - self.since.pop(key))
        self.taken.add(key)

    def due(self, key: str) -> float:
        return self.later[key]

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.taken)))
        self.queue.done(key)
        self.taken.discard(key)
        if key in self.again:
            self.again.discard(key)
            self.waiting.append(key)

    @invariant()
    def nothing_is_lost(self) -> None:
        assert len(self.queue) == len(self.waiting)
        assert self.queue.processing == len(self.taken)
        assert self.queue.next_due() == min(self.later.values(), default=None)


TestTheQueueBehavesAsItsModel = Model.TestCase


def test_the_backoff_of_a_key_that_fails_for_ever_stays_at_its_bound() -> None:
    queue = WorkQueue[str]()
    for _ in range(5000):
        queue.retry("a", 0)
    assert queue.retry("a", 0) == LONGEST_BACKOFF_SECONDS
