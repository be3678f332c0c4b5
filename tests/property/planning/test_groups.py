"""Pools are granted together if, and only if, a chain of shared products joins them."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.planning.world import NAMESPACE, accelerator, pool
from tierfleet.planning.devices import device_groups

WANTED = st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=3), max_size=12)


@given(WANTED)
def test_groups_are_what_shared_products_join(wanted: list[set[str]]) -> None:
    pools = [
        pool(f"pool-{number}", accelerator() | {"products": sorted(products)})
        for number, products in enumerate(wanted)
    ]
    joined = [({number}, products) for number, products in enumerate(wanted)]
    while True:
        pair = next(((a, b) for a in joined for b in joined if a is not b and a[1] & b[1]), None)
        if pair is None:
            break
        joined = [one for one in joined if not any(one is p for p in pair)]
        joined.append((pair[0][0] | pair[1][0], pair[0][1] | pair[1][1]))
    expected = {frozenset((NAMESPACE, f"pool-{number}") for number in group) for group, _ in joined}
    found = device_groups(pools, ())
    assert set(found) == expected
    assert list(found) == sorted(found, key=min)
    assert device_groups(pools[::-1], ()) == found
