"""Which faults there are in a run, how strong, and that calm means calm."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from simulation import weather
from simulation.mode import FULL, MODES, mode_of
from simulation.weather import KINDS, RARE_PLACES, STRONGEST, WEAKEST, Weather

WORLDS = 400


def made(seed: int) -> Weather:
    return Weather(Random(seed))


def strengths(storm: Weather) -> dict[str, float]:
    return dict(storm._strength)


def always(*kinds: str, strength: float = 0.05) -> Weather:
    storm = made(1)
    storm._strength = dict.fromkeys(kinds, strength)
    return storm


def test_the_same_seed_makes_the_same_weather() -> None:
    def faults(seed: int) -> list[str | None]:
        storm = made(seed)
        return [storm.strike(weather.AT_CALLS) for _ in range(500)]

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
    assert storm.strike(weather.AT_CALLS) is not None
    assert storm.strikes(weather.DELAY)
    before = Counter(storm.injected)
    storm.calm = True
    assert all(storm.strike((kind,)) is None for kind in KINDS)
    assert not any(storm.strikes(kind, 100.0) for kind in KINDS)
    assert storm.injected == before


def test_of_a_group_each_kind_strikes_with_its_own_chance() -> None:
    storm = made(1)
    storm._strength = {
        weather.CRASH_BEFORE: 0.12, weather.STALL: 0.05, weather.THROTTLE: 0.01, weather.LATE_EFFECT: 0.004,
    }  # fmt: skip
    tries = 100_000
    struck = Counter(storm.strike(weather.AT_CALLS) for _ in range(tries))
    assert set(struck) == {None, *strengths(storm)}
    for kind, strength in strengths(storm).items():
        # five standard deviations: with a fixed seed it passes or it does not
        assert abs(struck[kind] - tries * strength) < 5 * (tries * strength) ** 0.5, (kind, struck[kind])


def test_a_strike_is_of_the_kinds_asked_for() -> None:
    storm = always(*KINDS, strength=0.3)
    for group in (weather.AT_CALLS, weather.AT_OUTSIDE, (weather.PARTIAL,)):
        struck = {storm.strike(group) for _ in range(2000)} - {None}
        assert struck <= set(group)
        assert struck


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 0.05), (0.4, 0.02), (3.0, 0.15)])
def test_one_kind_alone_strikes_with_its_chance_times_the_factor(factor: float, expected: float) -> None:
    storm = always(weather.DELAY)
    tries = 40_000
    struck = sum(storm.strikes(weather.DELAY, factor) for _ in range(tries))
    assert abs(struck - tries * expected) < 5 * (tries * expected) ** 0.5
    assert storm.injected == {weather.DELAY: struck}


def test_what_is_not_on_never_strikes() -> None:
    storm = always(weather.DELAY, strength=1.0)
    assert not any(storm.strikes(weather.REORDER, 100.0) for _ in range(100))
    assert {storm.strike((weather.REORDER, weather.STALL)) for _ in range(100)} == {None}


def test_a_kind_left_out_is_gone_even_where_it_has_struck_before() -> None:
    storm = always(weather.STALL, weather.THROTTLE, strength=0.5)
    assert {storm.strike(weather.AT_CALLS) for _ in range(100)} >= {weather.STALL}
    storm.without(weather.STALL, weather.POISON)
    assert not storm.is_on(weather.STALL)
    assert weather.STALL not in {storm.strike(weather.AT_CALLS) for _ in range(200)}
    assert weather.THROTTLE in {storm.strike(weather.AT_CALLS) for _ in range(200)}


def test_a_strike_is_counted_by_whoever_lets_it_happen_and_not_twice() -> None:
    storm = always(weather.STALL, strength=1.0)
    assert storm.strike(weather.AT_CALLS) == weather.STALL
    assert not storm.injected
    storm.count(weather.STALL)
    assert storm.injected == {weather.STALL: 1}


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
