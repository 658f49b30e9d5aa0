"""The same events on the simulated bus and on an emulator's, and where these answer differently."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from simulation.bus import Bus, compile_pattern, envelope, transformed
from simulation.topology import RuleSpec, TargetSpec, Topology, TransformSpec

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

REFUSED = {
    "no source": {"Source": ""},
    "no detail type": {"DetailType": ""},
    "no detail": {"Detail": ""},
    "a source of AWS": {"Source": "aws.ec2"},
    "a detail cut short": {"Detail": '{"data": '},
    "a detail that is text": {"Detail": '"text"'},
    "a detail that is a list": {"Detail": "[]"},
    "a detail that is a number": {"Detail": "5"},
    "a detail that is not JSON": {"Detail": '{"amount": NaN}'},
    "nothing wrong": {},
}
"""What is wrong with an entry."""

WORDS: Mapping[str, Any] = {
    "text": "ups",
    "text with quotes": 'the "best"\n',
    "a number": 5,
    "truth": True,
    "nothing": None,
}
"""Values that an input transformer puts into its sentence."""

MAIL = TransformSpec(
    {"id": "$.detail.data.orderId", "word": "$.detail.data.word", "missing": "$.detail.data.missing"},
    '"Order <id> says <word> and <missing>."',
)


class BusDuel:
    """Both sides. `differences` says what one side did and the other did not, by circumstance."""

    def __init__(
        self, events: EventBridgeClient, sqs: SQSClient, prefix: str, topology: Topology, seed: int = 0
    ) -> None:
        self._events, self._sqs, self._rng = events, sqs, Random(seed)
        self.differences: dict[str, str] = {}
        self._name = f"{prefix}-bus"
        mail = TargetSpec("mail", "Topic", "topic", None, MAIL)
        self._mail = RuleSpec("mail", {"detail-type": ["Mail"]}, (mail,))
        self._rules = (*topology.rules, self._mail)
        self._simulated = Bus(Topology(**{**vars(topology), "rules": self._rules}))
        self._urls: dict[str, str] = {}
        events.create_event_bus(Name=self._name)
        for rule in self._rules:
            self._make(rule, f"{prefix}-{rule.name}")

    def _make(self, rule: RuleSpec, queue: str) -> None:
        url = self._urls[rule.name] = self._sqs.create_queue(QueueName=queue)["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        target: dict[str, Any] = {"Id": "queue", "Arn": arn}
        transform = rule.targets[0].transform
        if transform is not None:
            target["InputTransformer"] = {
                "InputPathsMap": dict(transform.paths),
                "InputTemplate": transform.template,
            }
        self._events.put_rule(
            Name=rule.name, EventBusName=self._name, EventPattern=json.dumps(rule.pattern), State="ENABLED"
        )
        self._events.put_targets(Rule=rule.name, EventBusName=self._name, Targets=[target])  # type: ignore[list-item]

    def close(self) -> None:
        for rule in self._rules:
            self._events.remove_targets(Rule=rule.name, EventBusName=self._name, Ids=["queue"])
            self._events.delete_rule(Name=rule.name, EventBusName=self._name)
            self._sqs.delete_queue(QueueUrl=self._urls[rule.name])
        self._events.delete_event_bus(Name=self._name)

    def compare(self, circumstance: str, simulated: object, emulated: object) -> None:
        if simulated != emulated:
            self.differences[circumstance] = f"simulated {simulated}, emulated {emulated}"

    def refusals(self) -> None:
        """What the bus says to entries with something wrong."""
        whole = {
            "EventBusName": self._name,
            "Source": "nobody",
            "DetailType": "Nothing",
            "Detail": '{"data": {}}',
        }
        for circumstance, change in REFUSED.items():
            entry = whole | change
            (result,) = self._events.put_events(Entries=[entry])["Entries"]  # type: ignore[list-item]
            self.compare(circumstance, self._simulated.validate(entry), result.get("ErrorCode"))

    def patterns(self, number: int) -> None:
        """Random events against one rule's pattern each, without a bus between."""
        for _ in range(number):
            rule = self._rng.choice(self._rules[:-1])
            entry, circumstance = self._event(rule)
            event = envelope(entry, "00000000-0000-4000-8000-000000000000", 1_767_268_800.0)
            answer = self._events.test_event_pattern(
                EventPattern=json.dumps(rule.pattern), Event=json.dumps(event)
            )
            self.compare(circumstance, compile_pattern(rule.pattern)(event), answer["Result"])

    def routes(self, number: int) -> None:
        """Random events through all rules at once, and how they look where they arrive."""
        sent, circumstances = [], []
        for position in range(number):
            entry, circumstance = self._event(self._rng.choice(self._rules[:-1]))
            detail = json.loads(entry["Detail"]) | {"position": position}
            sent.append(entry | {"Detail": json.dumps(detail)})
            circumstances.append(circumstance)
        arrived = self._put(sent)
        for position, entry in enumerate(sent):
            expected = sorted(target.rule for target in self._simulated.route(entry))
            reached = sorted(
                rule
                for rule in self._urls
                for body in arrived[rule]
                if isinstance(body, dict) and body["detail"]["position"] == position
            )
            plain = {rule.name for rule in self._rules if rule.targets[0].transform is None}
            self.compare(circumstances[position], [name for name in expected if name in plain], reached)
        self._shapes(sent, arrived)

    def _shapes(self, sent: list[dict[str, str]], arrived: dict[str, list[Any]]) -> None:
        for body in (body for bodies in arrived.values() for body in bodies if isinstance(body, dict)):
            ours = envelope(sent[body["detail"]["position"]], "id", 0.0)
            self.compare("fields of an event", sorted(ours), sorted(body))
            self.compare("format of the time", len(ours["time"]), len(body["time"]))
            for field in ("version", "detail-type", "source", "resources", "detail"):
                self.compare(f"{field} of an event", ours[field], body[field])

    def mails(self, words: Mapping[str, Any] = WORDS) -> None:
        """What an input transformer makes of all kinds of values."""
        for circumstance, word in words.items():
            detail = {"data": {"orderId": "o-1", "word": word}}
            entry = {
                "EventBusName": self._name,
                "Source": "us",
                "DetailType": "Mail",
                "Detail": json.dumps(detail),
            }
            (emulated,) = self._put([entry], parse=False)["mail"]
            (target,) = self._simulated.route(entry)
            self.compare(circumstance, transformed(target, envelope(entry, "id", 0.0)), emulated)

    def _put(self, entries: list[dict[str, str]], *, parse: bool = True) -> dict[str, list[Any]]:
        """Publish, and what arrived by rule."""
        for start in range(0, len(entries), 10):
            answer = self._events.put_events(Entries=entries[start : start + 10])  # type: ignore[arg-type]
            assert answer["FailedEntryCount"] == 0, answer
        return {
            rule: [json.loads(b) if parse else b for b in self._take(url)] for rule, url in self._urls.items()
        }

    def _take(self, url: str) -> list[str]:
        taken: list[str] = []
        while messages := self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            taken += [message["Body"] for message in messages]
        return taken

    # -------------------------------------------------------------------------------------------- events

    def _event(self, rule: RuleSpec) -> tuple[dict[str, str], str]:
        """An entry that a rule's pattern matches, or nearly, and what was changed in it."""
        wanted = self._matching(rule.pattern)
        detail = wanted.get("detail", {})
        data = detail.setdefault("data", {})
        data |= {"orderId": "o-1", "items": [{"itemId": "i", "quantity": 1}]}
        entry = {
            "EventBusName": self._name,
            "Source": wanted["source"],
            "DetailType": wanted["detail-type"],
        }
        fields = sorted(rule.pattern.get("detail", {}).get("data", {}))
        changes = ["nothing", "source", "kind", "case"] + (
            ["missing", "other", "text", "number", "null", "list", "list without", "object", "data in a list"]
            if fields
            else []
        )
        change = self._rng.choice(changes)
        match change:
            case "source":
                entry["Source"] = self._rng.choice(("orders.service", "somebody.else"))
            case "kind":
                entry["DetailType"] += "d"
            case "case":
                entry["DetailType"] = entry["DetailType"].lower()
            case "data in a list":
                detail["data"] = [{"orderId": "o-2"}, data]
            case "nothing":
                pass
            case _:
                self._spoil(data, self._rng.choice(fields), change)
        return entry | {"Detail": json.dumps(detail)}, f"event with {change} changed"

    def _matching(self, pattern: Any) -> Any:
        if isinstance(pattern, list):
            return copy.copy(self._rng.choice(pattern))
        return {key: self._matching(part) for key, part in pattern.items()}

    def _spoil(self, data: dict[str, Any], field: str, change: str) -> None:
        value = data[field]
        if change == "missing":
            del data[field]
            return
        data[field] = {
            "other": (not value) if isinstance(value, bool) else f"{value}-not",
            "text": json.dumps(value),
            "number": int(value) if isinstance(value, bool) else 1,
            "null": None,
            "list": ["something", value],
            "list without": ["something"],
            "object": {"value": value},
        }[change]
