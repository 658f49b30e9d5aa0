"""The contracts of a small shop in a repository of its own: read from files, kept through releases."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ecom_cli.contracts import Contract, Kind, contract_at, contract_of, contracts_of, readers_of, released
from ecom_cli.contracts import command as commands
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.workspace import Workspace, load

PAID = Kind("till.service", "Paid", 1)

SCHEMA: dict[str, Any] = {
    "$id": "https://shop.example/events/till.service/Paid.v1.json",
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "type": "object",
            "required": ["amount", "outcome"],
            "properties": {
                "amount": {"type": "integer", "minimum": 0},
                "outcome": {"enum": ["cash", "card"]},
                "note": {"type": "string"},
            },
        }
    },
}
READ: dict[str, Any] = {
    "$id": "https://shop.example/reads/book-service/till.service/Paid.v1.json",
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "type": "object",
            "required": ["amount"],
            "properties": {"amount": {"type": "integer"}, "outcome": {"enum": ["cash", "card"]}},
        }
    },
}
TILL = """
Resources:
  Topic:
    Type: AWS::SNS::Topic
    Properties: {KmsMasterKeyId: {'Fn::ImportValue': !Sub 'ecom-${Stage}-Key'}}
"""
BOOK = """
Resources:
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !ImportValue {'Fn::Sub': 'ecom-${Stage}-Bus'}
      EventPattern: {source: [till.service], detail-type: [Paid], detail: {data: {outcome: [card]}}}
"""
BASE = """
Resources: {Key: {Type: 'AWS::KMS::Key'}}
Outputs:
  Key: {Value: !Ref Key, Export: {Name: !Sub 'ecom-${Stage}-Key'}}
  Bus: {Value: bus, Export: {Name: !Sub 'ecom-${Stage}-Bus'}}
  Unshared: {Value: x}
"""

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """base-infra, till-service that publishes Paid, book-service that reads it; all released as 1.0.0."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Team")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "team@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    (tmp_path / "pyproject.toml").write_text("[tool.uv.workspace]\n")
    for dist, template in (("base-infra", BASE), ("till-service", TILL), ("book-service", BOOK)):
        folder = tmp_path / "packages" / dist
        folder.mkdir(parents=True)
        (folder / "stack.yaml").write_text(template)
        project = f'[project]\nname = "{dist}"\nversion = "1.0.0"\n[tool.ecom]\ntemplate = "stack.yaml"\n'
        (folder / "pyproject.toml").write_text(project)
    put(tmp_path / "packages/till-service/events/Paid.v1.json", SCHEMA)
    put(tmp_path / "packages/book-service/reads/Paid.v1.json", READ)
    git = Git(tmp_path)
    git.run("init", "-q", "-b", "main")
    git.run("add", "--all")
    git.run("commit", "-q", "-m", "feat: a shop")
    for dist in ("base-infra", "till-service", "book-service"):
        git.run("tag", "-a", "-m", dist, f"{dist}/v1.0.0")
    repo = load(tmp_path)
    monkeypatch.setattr(commands, "workspace", lambda: load(tmp_path))
    return repo


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(value))


def publish(repo: Workspace, edit: Edit, name: str = "Paid.v1.json") -> None:
    """Change the schema of till-service's fact."""
    schema = json.loads(json.dumps(SCHEMA))
    edit(schema["properties"]["data"])
    schema["$id"] = schema["$id"].replace("Paid.v1.json", name)
    put(repo.root / "packages/till-service/events" / name, schema)


def found(repo: Workspace, dist: str = "till-service") -> list[str]:
    member = repo.member(dist)
    return [str(each) for each in released.check(repo, member, released.last_tag(repo, member))]


# ----- read from files


def test_a_contract_is_what_the_files_say(shop: Workspace) -> None:
    contracts = contracts_of(shop)

    assert set(contracts) == {"base-infra", "till-service", "book-service"}
    assert contracts["base-infra"].exports == ("Bus", "Key")
    assert contracts["till-service"].imports == ("Key",)
    assert contracts["till-service"].publishes == {PAID: SCHEMA}
    book = contracts["book-service"]
    assert book.imports == ("Bus",)
    assert book.reads[PAID].schema == READ
    assert book.reads[PAID].patterns == ({"data": {"outcome": ["card"]}},)
    assert book.name == "book-service 1.0.0"
    assert readers_of(shop, "Paid") == ("book-service",)
    assert readers_of(shop, "Refunded") == ()


@pytest.mark.parametrize(
    ("pattern", "carried"),
    [
        ("{source: [till.service], detail-type: [Paid]}", ({},)),
        ("{detail-type: [Paid]}", ({},)),
        ("{source: [{prefix: till}], detail: {data: {x: [1]}}}", ({"data": {"x": [1]}},)),
        ("{source: [till.service], detail-type: [Refunded]}", ()),
        ("{source: [book.service], detail-type: [Paid]}", ()),
    ],
)
def test_the_rules_that_may_carry_a_fact(shop: Workspace, pattern: str, carried: Any) -> None:
    book = shop.member("book-service")
    (book.folder / "stack.yaml").write_text(
        f"Resources: {{Rule: {{Type: 'AWS::Events::Rule', Properties: {{EventPattern: {pattern}}}}}}}"
    )

    assert contract_of(book).reads[PAID].patterns == carried


def test_a_contract_of_a_commit_is_that_of_its_files(shop: Workspace) -> None:
    before = contracts_of(shop)
    publish(shop, lambda data: data["properties"].pop("note"))
    (shop.member("book-service").folder / "reads/Paid.v1.json").unlink()

    for dist, contract in before.items():
        assert contract_at(shop, shop.member(dist), f"{dist}/v1.0.0") == contract
    assert contract_of(shop.member("book-service")).reads == {}


def test_a_kept_contract_is_the_same_to_the_byte(shop: Workspace) -> None:
    for contract in contracts_of(shop).values():
        text = contract.as_json()
        again = Contract.from_json(text)

        assert again == contract
        assert again.as_json() == text
        assert again.sha256 == contract.sha256
    assert len({contract.sha256 for contract in contracts_of(shop).values()}) == 3


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"dist": "x", "version": "1", "publishes": {"no kind": {}}}']
)
def test_what_is_no_contract_is_refused(text: str) -> None:
    with pytest.raises(EcomError, match=r"no contract|no kind"):
        Contract.from_json(text)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Paid.json", "{}", "not named"),
        ("Paid.v0.json", "{}", "not named"),
        ("Paid.v2.json", "{", "not valid JSON"),
        ("Paid.v2.json", "{}", r"no \$id"),
        ("Paid.v2.json", '{"$id": "Paid.v2.json"}', r"no \$id that ends in <source>/Paid"),
        ("Paid.v2.json", json.dumps(SCHEMA), "another file's name"),
    ],
)
def test_a_schema_that_is_not_filed_right_is_named(
    shop: Workspace, name: str, text: str, message: str
) -> None:
    (shop.member("till-service").folder / "events" / name).write_text(text)

    with pytest.raises(EcomError, match=f"till-service/events/{name}.*{message}"):
        contract_of(shop.member("till-service"))


def test_a_schema_that_is_no_text_is_named(shop: Workspace) -> None:
    (shop.member("till-service").folder / "events" / "Paid.v2.json").write_bytes(b"\xff")

    with pytest.raises(EcomError, match=r"till-service/events/Paid\.v2\.json cannot be read"):
        contract_of(shop.member("till-service"))


# ----- kept through releases


def test_what_has_not_changed_breaks_nobody(shop: Workspace) -> None:
    assert [found(shop, dist) for dist in ("base-infra", "till-service", "book-service")] == [[], [], []]


def test_an_addition_breaks_nobody(shop: Workspace) -> None:
    def edit(data: dict[str, Any]) -> None:
        data["properties"]["till"] = {"type": "string"}
        data["required"].append("note")

    publish(shop, edit)

    assert found(shop) == []


def test_a_field_that_goes_is_named_with_who_reads_it(shop: Workspace) -> None:
    def edit(data: dict[str, Any]) -> None:
        del data["properties"]["amount"]
        data["required"].remove("amount")

    publish(shop, edit)

    assert found(shop) == [
        "till.service/Paid.v1 /data/amount: is not described any more, so it may be absent or anything. "
        "Breaks book-service."
    ]


def test_a_field_that_nobody_here_reads_is_a_break_for_readers_elsewhere(shop: Workspace) -> None:
    publish(shop, lambda data: data["properties"]["note"].update(type="integer"))

    assert found(shop) == ["till.service/Paid.v1 /data/note: may be a number now."]


def test_a_new_value_breaks_only_who_lists_the_values(shop: Workspace) -> None:
    publish(shop, lambda data: data["properties"]["outcome"]["enum"].append("voucher"))
    assert found(shop) == []  # the rule brings book-service only what was paid by card

    rule = shop.member("book-service").folder / "stack.yaml"
    rule.write_text(BOOK.replace(", detail: {data: {outcome: [card]}}", ""))
    assert found(shop) == ['till.service/Paid.v1 /data/outcome: may be "voucher" now. Breaks book-service.']


def test_a_field_that_a_rule_waits_for_breaks_its_reader(shop: Workspace) -> None:
    """Whatever gets through the rule is readable; but what has no outcome does not get through."""
    publish(shop, lambda data: data["required"].remove("outcome"))

    assert found(shop) == ["till.service/Paid.v1 /data/outcome: may be absent now. Breaks book-service."]


def test_a_value_that_a_rule_waits_for_breaks_its_reader(shop: Workspace) -> None:
    publish(shop, lambda data: data["properties"]["outcome"]["enum"].remove("card"))

    assert found(shop) == [
        "till.service/Paid.v1: is never what a rule of its reader waits for. Breaks book-service."
    ]


def test_what_did_not_fit_before_is_not_laid_at_this_changes_door(shop: Workspace) -> None:
    read = json.loads(json.dumps(READ))
    read["properties"]["data"]["required"].append("voucher")
    put(shop.member("book-service").folder / "reads/Paid.v1.json", read)
    publish(shop, lambda data: data["properties"].update(till={"type": "string"}))

    assert found(shop) == []


def test_what_cannot_be_judged_is_a_break(shop: Workspace) -> None:
    publish(shop, lambda data: data["properties"]["amount"].update(exclusiveMinimum=-1))

    (line,) = found(shop)
    assert "cannot be judged: at /properties/data/properties/amount/exclusiveMinimum" in line
    assert "'exclusiveMinimum' is not understood" in line
    assert "book-service" in line


def test_a_new_version_beside_the_old_one_breaks_nobody(shop: Workspace) -> None:
    publish(shop, lambda data: data["properties"].pop("amount"), "Paid.v2.json")

    assert found(shop) == []


def test_a_version_stays_while_somebody_reads_it(shop: Workspace) -> None:
    publish(shop, lambda data: None, "Paid.v2.json")
    (shop.member("till-service").folder / "events/Paid.v1.json").unlink()
    assert found(shop) == ["till.service/Paid.v1: is published no more. Breaks book-service."]

    (shop.member("book-service").folder / "reads/Paid.v1.json").unlink()
    assert found(shop) == []


def test_an_export_stays_while_somebody_imports_it(shop: Workspace) -> None:
    template = shop.member("base-infra").folder / "stack.yaml"
    template.write_text(BASE.replace("ecom-${Stage}-Bus", "ecom-${Stage}-BusName"))
    assert found(shop, "base-infra") == ["export Bus: is exported no more. Breaks book-service."]

    book = shop.member("book-service").folder / "stack.yaml"
    book.write_text(BOOK.replace("ecom-${Stage}-Bus", "ecom-${Stage}-BusName"))
    assert found(shop, "base-infra") == []


def test_before_the_first_release_there_is_nothing_to_break(shop: Workspace) -> None:
    Git(shop.root).run("tag", "-d", "till-service/v1.0.0")
    publish(shop, lambda data: data["properties"].clear())

    assert released.last_tag(shop, shop.member("till-service")) is None
    assert found(shop) == []


def test_the_last_release_is_the_one_this_branch_has(shop: Workspace) -> None:
    """A fix of 1.0 on a branch of its own is not measured by what came out since."""
    git = Git(shop.root)
    git.run("checkout", "-q", "-b", "next")
    git.run("commit", "-q", "--allow-empty", "-m", "feat: next")
    git.run("tag", "till-service/v1.1.0")
    assert released.last_tag(shop, shop.member("till-service")) == "till-service/v1.1.0"

    git.run("checkout", "-q", "main")
    assert released.last_tag(shop, shop.member("till-service")) == "till-service/v1.0.0"


def test_the_refusal_says_what_and_what_to_do(shop: Workspace) -> None:
    publish(shop, lambda data: data["properties"]["amount"].update(type="string"))
    member = shop.member("till-service")

    refusal = released.refusal(
        member, "till-service/v1.0.0", released.check(shop, member, "till-service/v1.0.0")
    )

    assert "till.service/Paid.v1 /data/amount: may be a text now. Breaks book-service." in refusal.message
    assert "events/<DetailType>.v2.json" in refusal.hint


# ----- the command


def run(*arguments: str) -> Any:
    return CliRunner().invoke(commands.app, list(arguments))


def test_the_table_shows_who_publishes_and_reads_what(shop: Workspace) -> None:
    shown = run().output

    (line,) = [line for line in shown.splitlines() if line.startswith("Paid")]
    assert line.split() == ["Paid", "v1", "till-service", "book-service", "amount,", "outcome"]
    assert [line.split() for line in shown.splitlines() if line.startswith(("Bus", "Key"))] == [
        ["Bus", "base-infra", "book-service"],
        ["Key", "base-infra", "till-service"],
    ]


def test_the_table_for_programs(shop: Workspace) -> None:
    shown = json.loads(run("--json").output)

    assert shown["facts"] == [
        {
            "source": "till.service",
            "detail_type": "Paid",
            "version": 1,
            "published_by": ["till-service"],
            "read_by": [
                {
                    "package": "book-service",
                    "fields": ["/data/amount", "/data/outcome"],
                    "patterns": [{"data": {"outcome": ["card"]}}],
                }
            ],
        }
    ]
    assert shown["exports"][0] == {
        "name": "Bus",
        "exported_by": ["base-infra"],
        "imported_by": ["book-service"],
    }
    assert (shown["misfits"], shown["unheard"]) == ([], [])


def test_check_passes_what_breaks_nobody(shop: Workspace) -> None:
    publish(shop, lambda data: data["properties"].update(till={}))
    done = run("check")

    assert done.exit_code == 0
    assert "till-service       keeps what it was at till-service/v1.0.0" in done.output


def test_check_fails_on_a_break_and_says_whose(shop: Workspace) -> None:
    publish(
        shop, lambda data: data["properties"]["outcome"].update(type="string", enum=["cash", "card", "x"])
    )
    publish(shop, lambda data: data["required"].remove("amount"))
    done = run("check")

    assert isinstance(done.exception, EcomError)
    assert "till.service/Paid.v1 /data/amount: may be absent now. Breaks book-service." in str(done.exception)
    assert run("check", "book-service", "base-infra").exception is not None  # it no longer fits what it reads
    assert run("check", "base-infra").exit_code == 0


@pytest.mark.parametrize(
    "arguments", [("check", "till-service", "--json"), ("--json", "check", "till-service")]
)
def test_check_for_programs(shop: Workspace, arguments: tuple[str, ...]) -> None:
    publish(shop, lambda data: data["required"].remove("amount"))
    done = run(*arguments)

    assert done.exit_code == 1
    assert json.loads(done.output) == {
        "ok": False,
        "packages": [
            {
                "package": "till-service",
                "against": "till-service/v1.0.0",
                "breaks": [
                    {
                        "subject": "till.service/Paid.v1",
                        "pointer": "/data/amount",
                        "what": "may be absent now",
                        "readers": ["book-service"],
                    }
                ],
            }
        ],
        "misfits": [
            "book-service 1.0.0 reads `data.amount` of Paid v1, which till-service 1.0.0 in this tree "
            "does not always publish."
        ],
        "unheard": [],
    }


def test_check_tells_of_a_fact_that_nobody_here_publishes(shop: Workspace) -> None:
    """It may come from another repository."""
    (shop.member("till-service").folder / "events/Paid.v1.json").unlink()
    done = run("check", "book-service")

    assert done.exit_code == 0
    assert "book-service 1.0.0 reads Paid v1 of till.service, which is not in this tree yet." in done.output


def test_check_against_any_commit(shop: Workspace) -> None:
    publish(shop, lambda data: data["properties"].update(till={"type": "string"}))
    Git(shop.root).run("commit", "-q", "-a", "-m", "feat: which till")
    publish(shop, lambda data: None)

    assert run("check", "till-service").exit_code == 0
    broken = run("check", "till-service", "--against", "HEAD").exception
    assert "/data/till: is not described any more" in str(broken)
    assert "knows no commit" in str(run("check", "--against", "nothing").exception)
    assert "no package" in str(run("check", "nobody").exception)


def test_check_says_that_there_was_no_release(shop: Workspace) -> None:
    Git(shop.root).run("tag", "-d", "till-service/v1.0.0")
    done = run("check", "till-service")

    assert done.exit_code == 0
    assert "no release yet" in done.output
