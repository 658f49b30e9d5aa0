"""Which faults there are in a run, how strong, and that calm means calm."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from simulation import weather
from simulation.mode import FULL, MODES, mode_of
from simulation.weather import BURST_SECONDS, IN_A_BURST, KINDS, RARE_PLACES, STRONGEST, WEAKEST, Weather

WORLDS = 400
APART = 100.0


def made(seed: int) -> Weather:
    return Weather(Random(seed))


def strengths(storm: Weather) -> dict[str, float]:
    return dict(storm._strength)


def always(*kinds: str, strength: float = 0.05) -> Weather:
    storm = made(1)
    storm._strength = dict.fromkeys(kinds, strength)
    return storm


def struck(storm: Weather, kinds: tuple[str, ...], tries: int) -> list[str | None]:
    """Faults so far apart that no burst lasts until the next."""
    return [storm.strike(kinds, APART * number) for number in range(tries)]


def test_the_same_seed_makes_the_same_weather() -> None:
    def faults(seed: int) -> list[str | None]:
        storm = made(seed)
        return struck(storm, weather.AT_CALLS, 500)

    assert strengths(made(7)) == strengths(made(7))
    assert faults(7) == faults(7)
    assert strengths(made(7)) != strengths(made(8))


def test_the_issues_kinds_are_each_there_once() -> None:
    assert len(set(KINDS)) == len(KINDS)
    named = {value for name, value in vars(weather).items() if name.isupper() and isinstance(value, str)}
    assert named == set(KINDS), "a kind that no run has, or one without a name"


def test_every_kind_is_on_in_about_half_of_all_runs() -> None:
    storms = [made(seed) for seed in range(WORLDS)]
    shares = {kind: sum(storm.is_on(kind) for storm in storms) / WORLDS for kind in KINDS}
    assert all(0.4 < share < 0.6 for share in shares.values()), shares
    for one in KINDS:
        # on together in a quarter of all: no kind hangs on another
        other = KINDS[KINDS.index(one) - 1]
        both = sum(storm.is_on(one) and storm.is_on(other) for storm in storms) / WORLDS
        assert 0.15 < both < 0.35, (one, other, both)


def test_strengths_are_within_bounds_and_spread_over_all_orders_between() -> None:
    drawn = [each for seed in range(WORLDS) for each in strengths(made(seed)).items()]
    outside = [strength / RARE_PLACES for kind, strength in drawn if kind in weather.OUTSIDE]
    inside = [strength for kind, strength in drawn if kind not in weather.OUTSIDE]
    middle = (WEAKEST * STRONGEST) ** 0.5
    for each in (outside, inside):
        assert min(each) >= WEAKEST
        assert max(each) <= STRONGEST
        assert 0.45 < sum(strength < middle for strength in each) / len(each) < 0.55


def test_calm_stops_everything() -> None:
    storm = always(*KINDS, strength=1.0)
    assert storm.strike(weather.AT_CALLS, 0.0) is not None
    assert storm.strikes(weather.DELAY)
    before = Counter(storm.injected)
    storm.calm = True
    assert all(storm.strike((kind,), 0.1) is None for kind in KINDS)
    assert not any(storm.strikes(kind, 100.0) for kind in KINDS)
    assert storm.injected == before


def test_of_a_group_each_kind_strikes_with_its_own_chance() -> None:
    storm = made(1)
    storm._strength = {
        weather.CRASH_BEFORE: 0.12, weather.STALL: 0.05, weather.THROTTLE: 0.01, weather.LATE_EFFECT: 0.004,
    }  # fmt: skip
    tries = 100_000
    found = Counter(struck(storm, weather.AT_CALLS, tries))
    assert set(found) == {None, *strengths(storm)}
    for kind, strength in strengths(storm).items():
        # five standard deviations: with a fixed seed it passes or it does not
        assert abs(found[kind] - tries * strength) < 5 * (tries * strength) ** 0.5, (kind, found[kind])


def test_a_strike_is_of_the_kinds_asked_for() -> None:
    storm = always(*KINDS, strength=0.3)
    for group in (weather.AT_CALLS, weather.AT_OUTSIDE, (weather.PARTIAL,)):
        found = {storm.strike(group, number / 10) for number in range(2000)} - {None}
        assert found <= set(group)
        assert found


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 0.05), (0.4, 0.02), (3.0, 0.15)])
def test_one_kind_alone_strikes_with_its_chance_times_the_factor(factor: float, expected: float) -> None:
    storm = always(weather.DELAY)
    tries = 40_000
    number = sum(storm.strikes(weather.DELAY, factor) for _ in range(tries))
    assert abs(number - tries * expected) < 5 * (tries * expected) ** 0.5
    assert storm.injected == {weather.DELAY: number}


def test_what_is_not_on_never_strikes() -> None:
    storm = always(weather.DELAY, strength=1.0)
    assert not any(storm.strikes(weather.REORDER, 100.0) for _ in range(100))
    assert set(struck(storm, (weather.REORDER, weather.STALL), 100)) == {None}


def test_a_kind_left_out_is_gone_even_where_it_has_struck_before() -> None:
    storm = always(weather.STALL, weather.THROTTLE, strength=0.5)
    assert weather.STALL in struck(storm, weather.AT_CALLS, 100)
    storm.without(weather.STALL, weather.POISON)
    assert not storm.is_on(weather.STALL)
    assert set(struck(storm, weather.AT_CALLS, 200)) == {weather.THROTTLE, None}


def test_a_strike_is_counted_by_whoever_lets_it_happen_and_not_twice() -> None:
    storm = always(weather.STALL, strength=1.0)
    assert storm.strike(weather.AT_CALLS, 0.0) == weather.STALL
    assert not storm.injected
    storm.count(weather.STALL)
    assert storm.injected == {weather.STALL: 1}


def test_some_faults_come_in_bursts_that_end_by_themselves() -> None:
    storm = always(weather.THROTTLE, strength=0.05)
    moments = [number / 10 for number in range(200_000)]
    struck_at = [now for now in moments if storm.strike(weather.AT_CALLS, now) is not None]
    by_second = Counter(int(now) for now in struck_at)
    busy = [second for second, number in by_second.items() if number >= 6]
    assert len(busy) > 20, "a second in which most calls fail is no chance"
    longest = 0
    for second in busy:
        length = 1
        while by_second[second + length] >= 5:
            length += 1
        longest = max(longest, length)
    assert 5 < longest <= 2 * BURST_SECONDS
    assert len(struck_at) < 0.5 * len(moments)


def test_a_burst_is_of_one_kind_where_that_may_strike_and_ends_with_the_storm() -> None:
    storm = always(strength=0.0)
    storm._burst, storm._burst_ends = weather.PARTIAL, 10.0
    assert struck(storm, weather.AT_CALLS, 1) == [None]
    during = Counter(storm.strike((weather.PARTIAL,), 9.9) for _ in range(2000))
    assert abs(during[weather.PARTIAL] / 2000 - IN_A_BURST) < 0.05
    assert storm.strike((weather.PARTIAL,), 10.0) is None
    storm.calm = True
    assert storm.strike((weather.PARTIAL,), 5.0) is None


def test_crashes_and_stalls_come_alone() -> None:
    alone = (weather.CRASH_BEFORE, weather.CRASH_AFTER, weather.STALL, weather.LATE_EFFECT)
    storm = always(*alone, strength=0.05)
    number = sum(storm.strike(weather.AT_CALLS, now / 1000) is not None for now in range(20_000))
    assert abs(number - 4000) < 5 * 4000**0.5


def test_two_of_five_seeds_have_every_repair_and_the_rest_lack_one_each() -> None:
    modes = Counter(mode_of(seed).name for seed in range(3000))
    assert set(modes) == set(MODES)
    assert 0.36 < modes[FULL.name] / 3000 < 0.44
    assert all(0.17 < modes[name] / 3000 < 0.23 for name in MODES if name != FULL.name)
    assert [mode_of(seed, "no-sweeper").name for seed in range(5)] == ["no-sweeper"] * 5


def test_a_mode_leaves_out_one_layer_and_only_that() -> None:
    layers = {name: (mode.sweeps, mode.redelivers, mode.re_emits) for name, mode in MODES.items()}
    assert layers == {
        "full": (True, True, True),
        "no-sweeper": (False, True, True),
        "no-redelivery": (True, False, True),
        "no-re-emit": (True, True, False),
    }
    for mode in MODES.values():
        storm = always(*KINDS)
        mode.prepare(storm)
        left_out = {kind for kind in KINDS if not storm.is_on(kind)}
        assert left_out == ({weather.KEY_DISABLED} if mode.safe_intake else set())
        assert mode.safe_intake is not mode.sweeps
