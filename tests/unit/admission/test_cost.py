from hypothesis import given
from hypothesis import strategies as st

from tierfleet.admission.cost import Rates
from tierfleet.plan import MICRO, Burndown, LongContextRates

tokens = st.integers(0, 10**6)


def test_cached_input_is_cheaper_and_output_dearer() -> None:
    rates = Rates.of(Burndown(input="1", cached_input="0.1", output="4"))
    assert rates.cost(prompt=100, cached=40, output=10) == (60 + 4 + 40) * MICRO


def test_a_long_prompt_is_charged_the_long_context_rates_for_all_its_tokens() -> None:
    long = LongContextRates(above_tokens=1000, input="2", output="6")
    rates = Rates.of(Burndown(long_context=long))
    assert rates.cost(1000, 0, 10) == (1000 + 40) * MICRO
    assert rates.cost(1001, 0, 10) == (2002 + 60) * MICRO


def test_residency_is_the_context_held_while_answering() -> None:
    rates = Rates.of(Burndown(input="0", cached_input="0", output="0", kv_residency="0.5"))
    assert rates.cost(prompt=100, cached=0, output=10) == (100 * 10 + 10 * 10 // 2) * MICRO // 2


@given(tokens, tokens, tokens, tokens)
def test_more_tokens_never_cost_less(prompt: int, cached: int, output: int, more: int) -> None:
    rates = Rates.of(Burndown(kv_residency="0.001"))
    cached = min(cached, prompt)
    cost = rates.cost(prompt, cached, output)
    assert rates.cost(prompt + more, cached, output) >= cost
    assert rates.cost(prompt, cached, output + more) >= cost
