"""What stands in for tokenizer, prefix cache and model."""

from tierfleet.engine.text import (
    MEAN_OUTPUT_TOKENS,
    PrefixCache,
    count_tokens,
    fingerprint,
    natural_length,
    words,
)


def test_four_bytes_of_text_are_about_a_token_and_ids_are_exact() -> None:
    assert count_tokens("a" * 400) == 100
    assert count_tokens("a" * 401) == 101
    assert count_tokens("日本語の文章") > count_tokens("abcdef")
    assert count_tokens((7, 8, 9)) == 3
    assert count_tokens("") == 0


def test_lengths_and_words_depend_on_the_content_alone() -> None:
    assert fingerprint("hello", 0, 0) == fingerprint("hello", 0, 0)
    marks = {fingerprint(p, s, i) for p in ("a", "b") for s in (0, 1) for i in (0, 1)}
    assert len(marks) == 8
    # Written down so that a change of Python or platform would show.
    assert fingerprint("hello", 0, 0) == 3_474_958_806_626_084_800
    assert natural_length(fingerprint("hello", 0, 0)) == 334


def test_natural_lengths_have_their_documented_mean() -> None:
    lengths = [natural_length(fingerprint("x", 0, index)) for index in range(20_000)]
    assert min(lengths) >= 1
    assert abs(sum(lengths) / len(lengths) / MEAN_OUTPUT_TOKENS - 1) < 0.05


def test_words_of_parts_make_the_words_of_the_whole() -> None:
    mark = fingerprint("x", 0, 0)
    assert words(mark, 0, 5) + words(mark, 5, 9) == words(mark, 0, 9)
    assert len(words(mark, 0, 9).split()) == 9


def test_a_prompt_seen_before_is_cached_in_whole_blocks_up_to_where_it_differs() -> None:
    cache = PrefixCache(capacity=100, block_size=16)
    assert cache.look_up("a" * 200) == 0
    assert cache.look_up("a" * 200) == 48, "200 bytes are 50 tokens: 3 blocks of 16"
    assert cache.look_up("a" * 100 + "b" * 100) == 16
    assert cache.look_up("b" * 64) == 0, "a block counts only behind what stood before it"


def test_ids_and_text_are_cached_alike() -> None:
    cache = PrefixCache(capacity=100, block_size=16)
    ids = tuple(range(40))
    assert cache.look_up(ids) == 0
    assert cache.look_up((*ids, 1, 2)) == 32


def test_the_least_recently_used_block_is_forgotten() -> None:
    cache = PrefixCache(capacity=2, block_size=16)
    cache.look_up("a" * 64)
    cache.look_up("b" * 64)
    cache.look_up("a" * 64)
    cache.look_up("c" * 64)
    assert cache.look_up("a" * 64) == 16
    assert cache.look_up("b" * 64) == 0


def test_what_follows_a_forgotten_block_is_not_found_without_it() -> None:
    cache = PrefixCache(capacity=2, block_size=16)
    cache.look_up("a" * 192)
    assert cache.look_up("a" * 192) == 0, "of its 3 blocks the first was forgotten"
