import csv
import io
from datetime import datetime

import pytest

from tests.unit.simulator.worlds import MILLISECOND, SECOND
from tierfleet.simulator import TraceError, TraceRequest, trace

# The first lines of the Azure trace, as they are published.
AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:17:03.9799600,4808,10
2023-11-16 18:17:04.0319600,3180,8
2023-11-16 18:17:04.0781490,110,27
2023-11-16 18:17:04.1055690,7433,14
"""


def read(text: str) -> list[TraceRequest]:
    return trace.read_azure(text.splitlines())


def test_the_published_format_is_read_to_the_nanosecond() -> None:
    assert read(AZURE) == [
        TraceRequest(0, None, 4808, 10),
        TraceRequest(52_000_000, None, 3180, 8),
        TraceRequest(98_189_000, None, 110, 27),
        TraceRequest(125_609_000, None, 7433, 14),
    ]


def test_times_may_have_an_offset_as_those_of_2024_have() -> None:
    text = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2024-05-10 00:00:00.009930+00:00,2162,5\n"
        "2024-05-10 02:00:00.017335+02:00,2399,6\n"
        "2024-05-10T00:00:01Z,76,15\n"
    )
    assert [request.arrival for request in read(text)] == [0, 7_405_000, 990_070_000]


def test_it_is_read_as_a_plain_reading_of_the_file_gives() -> None:
    rows = list(csv.DictReader(io.StringIO(AZURE)))
    first = datetime.fromisoformat(rows[0]["TIMESTAMP"][:26])
    for row, request in zip(rows, read(AZURE), strict=True):
        gap = datetime.fromisoformat(row["TIMESTAMP"][:26]) - first
        assert abs(gap.total_seconds() * 1e9 - request.arrival) < 1000
        assert request.prompt_tokens == int(row["ContextTokens"])
        assert request.output_tokens == int(row["GeneratedTokens"])


def test_more_columns_say_whose_a_request_is_and_what_becomes_of_it() -> None:
    head = "TIMESTAMP,ContextTokens,GeneratedTokens,Tenant,CachedTokens,MaxTokens,Sequences"
    line = "2023-11-16 18:17:03,100,20,acme,64,30,2"
    (request,) = read(f"{head},HangsUpAfterMilliseconds\n{line},1500\n")
    assert request == TraceRequest(0, "acme", 100, 20, 64, 30, 2, 1500 * MILLISECOND)
    (request,) = read(f"{head}\n2023-11-16 18:17:03,100,20,,,,\n")
    assert request == TraceRequest(0, None, 100, 20)


def test_lines_out_of_order_are_put_in_order_and_empty_ones_left_out() -> None:
    text = (
        "TIMESTAMP,ContextTokens,GeneratedTokens\n\n"
        "2023-11-16 18:17:05,2,2\n2023-11-16 18:17:04.5,1,1\n"
    )
    assert read(text) == [TraceRequest(0, None, 1, 1), TraceRequest(SECOND // 2, None, 2, 2)]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The first line lacks TIMESTAMP, ContextTokens, GeneratedTokens."),
        ("TIMESTAMP,ContextTokens\n", "lacks GeneratedTokens. It must name the columns"),
        (AZURE.replace("Tokens\n", "Tokens,Owner\n", 1), "has Owner. It must name"),
        (AZURE.splitlines()[0], "no requests in it: give at least one line"),
        (AZURE.replace("4808", "many"), "Line 2: ContextTokens is 'many', and must be a whole"),
        (AZURE.replace(",8\n", ",0\n"), "Line 3: GeneratedTokens is '0', and must be a whole"),
        (AZURE.replace("2023-11-16 18:17:04.0319600", "noon"), "Line 3: TIMESTAMP is 'noon'"),
        (AZURE.replace("2023-11-16 18:17:04.0319600", "2023-11-16"), "Line 3: TIMESTAMP is"),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens,ContextTokens\n",
            "The first line names ContextTokens twice: leave one of them out.",
        ),
        (
            AZURE.replace("Tokens\n", "Tokens,CachedTokens\n", 1)
            .replace(",10\n", ",10,4808\n")
            .replace(",8\n", ",8,3181\n"),
            "Line 3: CachedTokens is 3181, more than the 3180 ContextTokens that it is a part of",
        ),
        (AZURE.replace("110,27", "110"), "Line 4 has 2 fields, the first line 3"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, sentence: str) -> None:
    with pytest.raises(TraceError) as error:
        read(text)
    assert sentence in str(error.value)


def test_speeding_up_divides_every_gap() -> None:
    faster = trace.speed_up(read(AZURE), 2)
    assert [request.arrival for request in faster] == [0, 26_000_000, 49_094_500, 62_804_500]


def test_tenants_are_assigned_in_proportion_and_by_seed() -> None:
    requests = [TraceRequest(0, None, 1, 1)] * 4000
    given = trace.assign(requests, {"acme": 3, "hobby": 1}, seed=1)
    assert given == trace.assign(requests, {"acme": 3, "hobby": 1}, seed=1)
    assert given != trace.assign(requests, {"acme": 3, "hobby": 1}, seed=2)
    assert sum(request.tenant == "acme" for request in given) == pytest.approx(3000, rel=0.03)
    assert trace.tenants_of(given) in (["acme", "hobby"], ["hobby", "acme"])
