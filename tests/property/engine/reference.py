"""vLLM V1's scheduling loop, written the slow and obvious way, as the oracle for the model.

One object per sequence is touched in every step, blocks are counted per sequence, the running list
is walked in order and preemption happens at the allocation that fails, as `Scheduler.schedule` does
it (vllm/v1/core/sched/scheduler.py). Nothing is shared with the model but the configuration.
"""

from dataclasses import dataclass, field

from tierfleet.engine.config import EngineConfig, SchedulingPolicy


@dataclass(eq=False)
class Request:
    name: int
    prompt: int
    output: int
    cached: int
    priority: int
    generated: int = 0
    computed: int = 0
    blocks: int = 0
    prefilling: bool = True
    status: str = "waiting"


@dataclass
class Step:
    end: int
    tokens: int = 0
    admitted: list[int] = field(default_factory=list)
    prefilled: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    preempted: list[int] = field(default_factory=list)
    aborted: list[int] = field(default_factory=list)


class Reference:
    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.free = config.num_blocks
        self.running: list[Request] = []
        self.waiting: list[Request] = []
        self.to_abort: list[Request] = []

    def add(self, name: int, prompt: int, output: int, cached: int, priority: int) -> Request:
        hit = min(cached, prompt - 1) // self.config.block_size * self.config.block_size
        request = Request(name, prompt, output, hit, priority)
        self.waiting.append(request)
        return request

    def allocate(self, request: Request, tokens: int) -> bool:
        total = -(-(request.computed + tokens) // self.config.block_size)
        if total - request.blocks > self.free:
            return False
        self.free -= total - request.blocks
        request.blocks = total
        return True

    def release(self, request: Request) -> None:
        self.free += request.blocks
        request.blocks = request.computed = 0

    def preempt(self) -> Request:
        if self.config.scheduling_policy is SchedulingPolicy.PRIORITY:
            victim = max(self.running, key=lambda r: (r.priority, r.name))
            self.running.remove(victim)
        else:
            victim = self.running.pop()
        self.release(victim)
        victim.status = "waiting"
        self.waiting.insert(0, victim)
        return victim

    def step(self, now: int) -> Step:
        step = Step(now)
        for request in self.to_abort:
            if request.status in ("waiting", "running"):
                (self.waiting if request.status == "waiting" else self.running).remove(request)
                self.release(request)
                request.status = "aborted"
                step.aborted.append(request.name)
        self.to_abort.clear()

        budget = self.config.max_num_batched_tokens
        scheduled: dict[Request, int] = {}
        index = 0
        while index < len(self.running) and budget > 0:
            request = self.running[index]
            new = min(request.prompt + request.generated - request.computed, budget)
            allocated = self.allocate(request, new)
            while not allocated:
                victim = self.preempt()
                step.preempted.append(victim.name)
                if victim in scheduled:
                    budget += scheduled.pop(victim)
                    index -= 1
                if victim is request:
                    break
                allocated = self.allocate(request, new)
            if not allocated:
                # vLLM leaves the loop here, so that whoever stands behind a sequence that evicted
                # itself misses this step. Under FCFS nobody can; under priority the model lets
                # them decode (docs/engine.md), and so does this.
                continue
            scheduled[request] = new
            budget -= new
            index += 1

        if self.config.scheduling_policy is SchedulingPolicy.PRIORITY:
            self.waiting.sort(key=lambda r: (r.priority, r.name))
        while self.waiting and budget > 0 and not step.preempted:
            if len(self.running) == self.config.max_num_seqs:
                break
            request = self.waiting[0]
            request.computed = request.cached
            new = min(request.prompt + request.generated - request.computed, budget)
            if not self.allocate(request, new):
                request.computed = 0
                break
            self.waiting.pop(0)
            request.status = "running"
            request.prefilling = True
            self.running.append(request)
            step.admitted.append(request.name)
            scheduled[request] = new
            budget -= new

        if not scheduled:
            return step
        for request, new in scheduled.items():
            request.computed += new
            step.tokens += new
        resident = sum(request.computed for request in self.running)
        step.end += self.config.cost.duration_ns(step.tokens, resident)
        for request in scheduled:
            if request.computed < request.prompt + request.generated:
                continue
            request.generated += 1
            if request.prefilling:
                request.prefilling = False
                step.prefilled.append(request.name)
            if request.generated == request.output:
                self.running.remove(request)
                self.release(request)
                request.status = "finished"
                step.finished.append(request.name)
        return step
