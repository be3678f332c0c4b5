import pytest

from tests.unit.simulator.worlds import document, engine, plan
from tierfleet.engine.config import EngineConfig, SchedulingPolicy
from tierfleet.plan import Plan, Preemption, Reclaim
from tierfleet.simulator.changes import ChangeError, apply


def changed(*changes: str, base: Plan | None = None) -> Plan:
    return apply(base or plan(), engine(), changes)[0]


def sizes(*changes: str) -> EngineConfig:
    return apply(plan(), engine(), changes)[1]


def test_a_percent_is_granted_of_the_rate_of_all_replicas() -> None:
    (reservation,) = changed("reservation.acme.percent=40").reservations
    assert (reservation.declared.percent, reservation.granted) == (40, 400)
    twice = changed("group.h100.desired=2", "reservation.acme.percent=40")
    assert twice.reservations[0].granted == 800


def test_a_rate_is_granted_as_it_is() -> None:
    (reservation,) = changed("reservation.acme.serviceTokensPerSecond=123").reservations
    assert reservation.declared.service_tokens_per_second == 123
    assert reservation.declared.percent is None
    assert reservation.granted == 123


def test_every_other_field_goes_by_its_name_in_the_plan() -> None:
    made = changed(
        "tier.retail.weight=3",
        "tier.retail.limits.requestsPerMinute=60",
        "tier.retail.preemption=Anytime",
        "tenant.hobby.tier=enterprise",
        "reservation.acme.lending.reclaim=Abort",
        "reservation.acme.maxWaitMilliseconds = 250",
    )
    retail = made.tier("retail")
    assert (retail.weight, retail.limits.requests_per_minute) == (3, 60)
    assert retail.preemption is Preemption.ANYTIME
    assert made.tenants[1].tier == "enterprise"
    assert made.reservations[0].lending.reclaim is Reclaim.ABORT
    assert made.reservations[0].max_wait_milliseconds == 250
    assert made.version != plan().version


@pytest.mark.parametrize("value", ["[acme,hobby]", '["acme", "hobby"]'])
def test_a_list_is_given_in_brackets(value: str) -> None:
    (reservation,) = changed(f"reservation.acme.tenants={value}").reservations
    assert reservation.tenants == ("acme", "hobby")


def test_what_a_reservation_declares_is_granted_by_its_long_name_too() -> None:
    assert changed("reservation.acme.declared.percent=40") == changed("reservation.acme.percent=40")


def test_null_takes_a_field_or_a_whole_thing_away() -> None:
    assert changed("reservation.acme=null").reservations == ()
    limited = changed("tier.retail.limits.requestsPerMinute=60")
    again = changed("tier.retail.limits.requestsPerMinute=null", base=limited)
    assert again.tier("retail").limits.requests_per_minute is None


def test_names_may_have_dots() -> None:
    tenants = [{"name": name, "tier": "retail"} for name in ("acme", "acme.eu", "hobby")]
    made = changed("tenant.acme.eu.weight=7", base=plan(tenants=tenants))
    assert [(tenant.name, tenant.weight) for tenant in made.tenants] == [
        ("acme", None),
        ("acme.eu", 7),
        ("hobby", None),
    ]


def test_the_engine_changes_by_the_names_of_its_sizes() -> None:
    made = sizes("engine.max_num_seqs=8", "engine.scheduling_policy=priority")
    assert (made.max_num_seqs, made.scheduling_policy) == (8, SchedulingPolicy.PRIORITY)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("reservation.acme.percent", "that is not a change. Give something like"),
        ("fast=true", "that is not a change"),
        ("quota.acme.percent=4", "'quota' is not one of reservation, tier, tenant, group, engine"),
        ("reservation.nobody.percent=4", "the plan has no such reservation; it has: acme."),
        ("reservation.acme=4", "which field of it?"),
        ("reservation.acme.percent=400", "a percent is a whole number from 1 to 100"),
        ("reservation.acme.percent=4.5", "a percent is a whole number from 1 to 100"),
        ("reservation.acme.serviceTokensPerSecond=many", "granted"),
        ("tier.retail.wieght=4", "wieght"),
        ("tier.retail.weight=0", "weight"),
        ("group.h100=null", "groups: at least one must be given."),
        ("reservation.acme.lendablePercent=0", "(did you mean lending.lendablePercent?)"),
        ("tier.retail.priority.of=4", "priority has no fields"),
        ("tenant.acme.tier=gold", "which is not one of the tiers: enterprise, retail"),
        ("engine.seats=4", "an engine has no 'seats', but num_blocks, max_model_len"),
        ("engine.max_num_seqs=0", "that engine cannot be: max_num_seqs must be at least 1"),
        ("engine.max_num_seqs=x", "max_num_seqs is a whole number, such as"),
        ("engine.max_num_seqs=null", "max_num_seqs is a whole number, such as"),
        ("engine.scheduling_policy=1", "scheduling_policy is one of fcfs, priority, such as"),
        ("reservation.acme.pecent=40", "a reservation has no 'pecent' (did you mean percent?)."),
    ],
)
def test_a_change_that_cannot_be_is_told_with_the_change(change: str, sentence: str) -> None:
    with pytest.raises(ChangeError) as error:
        changed(change)
    assert str(error.value).startswith(f"--set {change}: ")
    assert sentence in str(error.value)


def test_a_percent_of_an_unknown_rate_says_what_to_set_first() -> None:
    groups = [{"name": "h100", "accelerator": "h100", "desired": 1}]
    with pytest.raises(ChangeError, match=r"add --set group\.h100\.serviceTokensPerSecond"):
        changed("reservation.acme.percent=40", base=plan(groups=groups))
    made = changed(
        "group.h100.serviceTokensPerSecond=2000",
        "reservation.acme.percent=40",
        base=plan(groups=groups),
    )
    assert made.reservations[0].granted == 800


def test_the_plan_itself_stays_as_it_is() -> None:
    base = plan()
    changed("tier.retail.weight=3", base=base)
    assert base == plan(**document())
