"""The mutants fit today's source, are applied to copies alone, and a hunt tells what it met."""

from __future__ import annotations

import ast
import contextlib
import itertools
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ecom_cli.templates import parse_template
from simulation import engine
from simulation.guards import COPIED, ROOT, Mutant, MutantError, apply, chosen, read
from simulation.hunting import Run, hunt
from simulation.mode import MODES
from simulation.mutants import hunt_all
from simulation.outcome import Outcome
from simulation.pretended_copy import Broken, loaded_elsewhere, outcome, violation

MUTANTS = read()
BY_ID = {mutant.id: mutant for mutant in MUTANTS}

ENTRY = """
[[mutant]]
id = "no-window"
guards = "Too late is too late."
file = "packages/a-service/src/a.py"
find = "WINDOW = 1"
replace = "WINDOW = 100"
"""


def source(mutant: Mutant) -> str:
    return (ROOT / mutant.file).read_text(encoding="utf-8")


# --------------------------------------------------------------------------------------------- the real list


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.id)
def test_each_guard_is_in_the_source_once_and_what_is_left_still_parses(mutant: Mutant) -> None:
    left = mutant.applied(source(mutant))

    assert mutant.guards.endswith(".")
    if mutant.file.endswith(".py"):
        assert ast.dump(ast.parse(left)) != ast.dump(ast.parse(source(mutant)))
    else:
        assert parse_template(left, mutant.file) != parse_template(source(mutant), mutant.file)


def test_there_are_guards_of_every_part() -> None:
    parts = {mutant.part for mutant in MUTANTS}

    assert parts == {"common", "order", "inventory", "payment", "shipping", "templates"}
    assert len(MUTANTS) >= 25


def test_no_two_mutants_are_the_same() -> None:
    copies = [(mutant.file, mutant.applied(source(mutant))) for mutant in MUTANTS]

    assert len(set(copies)) == len(copies)


def test_the_mutants_are_where_the_simulation_looks() -> None:
    patterns = [re.compile(pattern.replace(".", r"\.").replace("*", "[^/]+")) for pattern in COPIED]

    assert [mutant.id for mutant in MUTANTS if not any(p.match(mutant.file) for p in patterns)] == []
    assert {mutant.mode for mutant in MUTANTS} - {None} <= set(MODES)


# -------------------------------------------------------------------------------------------------- the file


def listed(tmp_path: Path, text: str) -> list[Mutant]:
    path = tmp_path / "list.toml"
    path.write_text(text, encoding="utf-8")
    return read(path)


def test_a_mutant_is_read(tmp_path: Path) -> None:
    [mutant] = listed(tmp_path, ENTRY + 'equivalent = """Nobody\n  asks."""\nmode = "full"')

    assert mutant == Mutant(
        id="no-window",
        guards="Too late is too late.",
        file="packages/a-service/src/a.py",
        find="WINDOW = 1",
        replace="WINDOW = 100",
        equivalent="Nobody asks.",
        mode="full",
    )
    assert mutant.part == "a"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[mutant]", "list.toml is not valid TOML"),
        ("", "list.toml holds something else"),
        ("[mutant]\nid = 'a'", "list.toml holds something else"),
        ("mutant = [1]", "list.toml, number 1: is not a"),
        (ENTRY + "[more]\n", "list.toml holds something else"),
        (ENTRY + ENTRY, "two mutants are called no-window"),
        (ENTRY + "colour = 'red'", "no-window: colour is not a field"),
        (ENTRY + "equivalent = ''", "no-window: equivalent is not a text"),
        (ENTRY.replace('"no-window"', "3"), "list.toml, number 1: id is not a text"),
        (ENTRY.replace('"no-window"', '"No Window"'), "No Window: an id is words"),
        (ENTRY.replace('find = "WINDOW = 1"', ""), "no-window: has no find"),
        (ENTRY.replace("= 100", "= 1"), "no-window: replaces its text with the same"),
        (ENTRY.replace("packages/a", "../packages/a"), "no-window: ../packages/a-service/src/a.py is not a"),
        (ENTRY.replace("packages/a", "/a"), "no-window: /a-service/src/a.py is not a"),
    ],
)
def test_a_broken_list_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(MutantError) as caught:
        listed(tmp_path, text)
    assert str(caught.value).startswith(says) or says in str(caught.value)


def test_mutants_are_chosen_by_name() -> None:
    names = [MUTANTS[3].id, MUTANTS[0].id]

    assert [mutant.id for mutant in chosen(MUTANTS, names)] == names
    with pytest.raises(MutantError, match="there is no mutant 'nobody'"):
        chosen(MUTANTS, [names[0], "nobody"])


# -------------------------------------------------------------------------------------------------- the copy


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small repository."""
    root = tmp_path / "tree"
    files = {
        "packages/a-service/src/a.py": "WINDOW = 1\n",
        "packages/a-service/src/deep/b.py": "b = 2\n",
        "packages/a-service/src/__pycache__/a.pyc": "old",
        "packages/a-service/a-stack.yaml": "Resources: {}\n",
        "packages/a-service/README.md": "not needed",
        "libs/common/src/c.py": "c = 3\n",
        "tools/t.py": "not needed",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def mutant(tmp_path: Path) -> Mutant:
    return listed(tmp_path, ENTRY)[0]


def contents(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


def test_only_the_copy_loses_its_guard(tree: Path, mutant: Mutant, tmp_path: Path) -> None:
    before = contents(tree)

    apply(mutant, tree, tmp_path / "copy")

    assert contents(tree) == before
    assert contents(tmp_path / "copy") == {
        "packages/a-service/src/a.py": "WINDOW = 100\n",
        "packages/a-service/src/deep/b.py": "b = 2\n",
        "packages/a-service/a-stack.yaml": "Resources: {}\n",
        "libs/common/src/c.py": "c = 3\n",
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("WINDOW = 2", "no-window: what to find in packages/a-service/src/a.py is not there: 'WINDOW = 1'"),
        ("WINDOW = 1\nWINDOW = 1", "no-window: what to find in packages/a-service/src/a.py is there 2 times"),
    ],
)
def test_a_guard_that_is_not_there_once_is_told(
    tree: Path, mutant: Mutant, tmp_path: Path, text: str, says: str
) -> None:
    (tree / mutant.file).write_text(text, encoding="utf-8")

    with pytest.raises(MutantError, match=re.escape(says)):
        apply(mutant, tree, tmp_path / "copy")


def test_a_file_that_is_not_copied_is_told(tree: Path, mutant: Mutant, tmp_path: Path) -> None:
    (tree / mutant.file).unlink()

    with pytest.raises(MutantError, match=re.escape("no-window: packages/a-service/src/a.py is not among")):
        apply(mutant, tree, tmp_path / "copy")


# -------------------------------------------------------------------------------------------------- the hunt


def world(at_seven: Callable[[], object]) -> Callable[[Path], Run]:
    """Loads a world in which something happens at seed 7, provided that the guard is out."""

    def load(folder: Path) -> Run:
        guarded = "WINDOW = 100" not in (folder / "packages/a-service/src/a.py").read_text()

        def run(seed: int, *, mode: str | None = None) -> Outcome:
            found = at_seven() if seed == 7 and not guarded else None
            return outcome(seed, mode, found) if isinstance(found, Broken) else outcome(seed, mode)

        return run

    return load


def stumble() -> None:
    raise KeyError("state")


def turn_in_circles() -> None:
    for _ in itertools.count():
        # as a handler that takes whatever comes for a failed record
        with contextlib.suppress(Exception):
            time.strftime("%H")


def turn_in_circles_elsewhere() -> None:
    """In a greenlet whose end nobody waits for, as an invocation's."""
    clock = engine.Engine(0.0, 100)
    engine.Task(clock, turn_in_circles, 60.0).switch()


def test_a_violation_ends_the_hunt(tree: Path, mutant: Mutant) -> None:
    heard: list[int] = []
    found = hunt(mutant, range(5, 20), root=tree, load=world(violation), on_seed=heard.append)

    assert (found.found, found.seeds, found.seed, found.mode) == (True, 3, 7, "no-sweeper")
    assert found.violation == "one charge at most: 2 charges"
    assert heard == [1, 2]


def test_a_seed_that_fails_with_the_guard_as_well_says_nothing(tree: Path, mutant: Mutant) -> None:
    def load(folder: Path) -> Run:
        guarded = "WINDOW = 100" not in (folder / "packages/a-service/src/a.py").read_text()

        def run(seed: int, *, mode: str | None = None) -> Outcome:
            fails = seed == 6 or (seed == 8 and not guarded)
            return outcome(seed, mode, violation()) if fails else outcome(seed, mode)

        return run

    found = hunt(mutant, range(5, 20), root=tree, load=load)

    assert (found.found, found.seeds, found.seed) == (True, 4, 8)


def test_a_mutant_may_get_away(tree: Path, mutant: Mutant) -> None:
    found = hunt(mutant, range(10, 20), root=tree, load=world(violation))

    assert (found.found, found.seeds, found.seed, found.violation) == (False, 10, None, "")


def test_a_run_that_breaks_has_found_its_mutant(tree: Path, mutant: Mutant) -> None:
    found = hunt(mutant, range(5, 20), root=tree, load=world(stumble))

    assert (found.found, found.seeds, found.seed) == (True, 3, 7)
    assert found.violation == "breaks the run: KeyError('state')"


@pytest.mark.parametrize("loop", [turn_in_circles, turn_in_circles_elsewhere])
def test_a_run_that_does_not_end_has_found_its_mutant(
    tree: Path, mutant: Mutant, loop: Callable[[], None]
) -> None:
    found = hunt(mutant, range(5, 20), root=tree, load=world(loop), patience=0.2)

    assert (found.found, found.seeds, found.seed) == (True, 3, 7)
    assert found.violation == "hangs: no end after 0.2 s of CPU time"


def test_a_copy_that_does_not_load_has_found_its_mutant(tree: Path, mutant: Mutant) -> None:
    def load(folder: Path) -> Run:
        raise ImportError("no such name")

    found = hunt(mutant, range(5, 20), root=tree, load=load)

    assert (found.found, found.seeds) == (True, 0)
    assert found.violation == "does not load: ImportError('no such name')"


def test_the_copy_is_gone_after_the_hunt(tree: Path, mutant: Mutant, tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    hunt(mutant, range(5, 20), root=tree, load=world(stumble), folder=folder)

    assert list(folder.iterdir()) == []


# -------------------------------------------------------------------------------------------- many processes


def test_mutants_are_hunted_side_by_side(tree: Path, mutant: Mutant) -> None:
    words = ("gets_away", "dies", "violates")
    mutants = [
        Mutant(word.replace("_", "-"), "It.", mutant.file, mutant.find, f"WINDOW = {word}") for word in words
    ]
    heard: list[str] = []
    found = hunt_all(
        mutants, range(1, 7), 3, lambda result: heard.append(result.id), root=tree, load=loaded_elsewhere
    )

    assert [(each.id, each.found, each.seeds, each.seed) for each in found] == [
        ("gets-away", False, 6, None),
        ("dies", True, 3, 3),
        ("violates", True, 4, 4),
    ]
    assert found[1].violation == "its process ended with 9"
    assert sorted(heard) == ["dies", "gets-away", "violates"]


def test_a_mutant_that_does_not_fit_ends_them_all(tree: Path, mutant: Mutant) -> None:
    misfit = Mutant("misfit", "It.", mutant.file, "nowhere", "else")

    with pytest.raises(MutantError, match="misfit: what to find"):
        hunt_all([misfit, mutant], range(1, 7), 1, root=tree, load=loaded_elsewhere)


def test_a_real_guard_is_missed_in_the_real_world() -> None:
    """Of all mutants the quickest; `./ecom simulate --mutants` hunts the others."""
    found = hunt(BY_ID["row-overwritten"], range(1, 30))

    assert found.found, found
    assert found.seeds > 0
    assert not found.violation.startswith(("breaks", "hangs")), found
