"""What the functions log, read from the syntax tree: a fixed sentence, and fields from the list.

`ecom_common.telemetry` drops what is not on its list when it runs; here it is found before.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecom_testkit import lambda_environment

os.environ.update(lambda_environment("test.service") | os.environ)

from ecom_common.telemetry import FIELDS

ROOT = Path(__file__).resolve().parent.parent
TELEMETRY = "telemetry.py"
LEVELS = ("debug", "info", "warning", "error", "critical")
SILENT = frozenset(
    {
        *("print", "pprint", "exception", "log", "warn", "fatal"),
        *("append_keys", "append_context_keys", "inject_lambda_context", "structure_logs"),
    }
)
"""Ways past the list: standard output is the log, and powertools' own ways take anything."""
LOUD = frozenset({"logging", "pprint", "traceback", "warnings"})
"""Modules that write to standard output or error of their own accord."""


def flaws(tree: ast.Module, name: str) -> Iterator[str]:
    """All that is wrong with how a module logs, each with its line."""
    for node in ast.walk(tree):
        if name != TELEMETRY and isinstance(node, ast.Import | ast.ImportFrom | ast.Attribute):
            yield from (f":{node.lineno} {way} goes past the list" for way in _ways_past(node))
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "attr", getattr(node.func, "id", ""))
        of = getattr(node.func, "value", None)
        owner = getattr(of, "attr", getattr(of, "id", ""))
        if called in SILENT and (owner in ("logger", "") or called == "print") and name != TELEMETRY:
            yield f":{node.lineno} {called} goes past the list"
        if owner == "logger" and called in LEVELS:
            yield from _line(tree, node, node.args, name)
        elif called == "log_failure":
            yield from _line(tree, node, node.args[1:], name)


def _ways_past(node: ast.Import | ast.ImportFrom | ast.Attribute) -> Iterator[str]:
    """Modules that print, the streams themselves, and names under which a call would not be seen."""
    if isinstance(node, ast.Attribute):
        if node.attr in ("stdout", "stderr"):
            yield node.attr
        return
    module = node.module if isinstance(node, ast.ImportFrom) else None
    for each in node.names:
        if (module or each.name).partition(".")[0] in LOUD:
            yield module or each.name
        elif each.name in ("logger", "log_failure", "stdout", "stderr") and each.asname not in (
            None,
            each.name,
        ):
            yield f"{each.name} under another name"
        elif each.name in ("stdout", "stderr"):
            yield each.name


def _line(tree: ast.Module, node: ast.Call, message: list[ast.expr], name: str) -> Iterator[str]:
    if name != TELEMETRY and not (message and isinstance(message[0], ast.Constant)):
        yield f":{node.lineno} the message is no fixed sentence: it could say anything"
    if len(message) > 1:
        yield f":{node.lineno} the sentence is filled in with {ast.unparse(message[1])}"
    for keyword in node.keywords:
        if keyword.arg not in (None, "extra"):
            found: set[str] | None = {str(keyword.arg)}
        else:
            found = _keys(tree, keyword.value)
        if found is None:
            yield f":{node.lineno} nobody can tell which fields {ast.unparse(keyword.value)} has"
        for field in sorted((found or set()) - FIELDS):
            yield f":{node.lineno} {field} is not on the list of what may be logged"


def _keys(tree: ast.Module, value: ast.expr) -> set[str] | None:
    """The fields a mapping may have, as far as this module tells; None where it does not."""
    match value:
        case ast.Dict(keys=keys) if all(isinstance(key, ast.Constant) for key in keys):
            return {str(key.value) for key in keys if isinstance(key, ast.Constant)}
        case ast.IfExp(body=body, orelse=other):
            one, two = _keys(tree, body), _keys(tree, other)
            return None if one is None or two is None else one | two
        case ast.Call(func=ast.Name(id="dict"), args=[ast.Name(id=name)]):
            return _filled(tree, name)
        case ast.Call(func=ast.Name(id=function)):
            returns = [
                node.value
                for made in ast.walk(tree)
                if isinstance(made, ast.FunctionDef) and made.name == function
                for node in ast.walk(made)
                if isinstance(node, ast.Return) and node.value is not None
            ]
            found = [_keys(tree, each) for each in returns]
            return None if not found or None in found else set[str]().union(*(each or () for each in found))
        case ast.Name(id=name):
            return _filled(tree, name)
    return None


def _filled(tree: ast.Module, name: str) -> set[str] | None:
    """Every field that a variable of this name is given anywhere in the module."""
    found: set[str] = set()
    known = False
    for node in ast.walk(tree):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=target)], value=value)
                | ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value)
                | ast.AugAssign(target=ast.Name(id=target), value=value)
            ) if target == name:
                if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "Counter":
                    keys: set[str] | None = {str(keyword.arg) for keyword in value.keywords}
                else:
                    keys = _keys(tree, value)
                if keys is None:
                    return None
                found, known = found | keys, True
            case ast.Subscript(value=ast.Name(id=target), slice=ast.Constant(value=key)) if target == name:
                found, known = found | {str(key)}, True
    return found if known else None


def sources() -> list[Path]:
    return sorted((*ROOT.glob("packages/*/src/*/*.py"), *ROOT.glob("libs/common/src/*/*.py")))


@pytest.mark.parametrize("path", sources(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_only_listed_fields_are_logged(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert list(flaws(tree, path.name)) == []


def test_the_walk_sees_the_calls_there_are() -> None:
    """A check that finds no call would find no flaw."""
    text = "".join(path.read_text(encoding="utf-8") for path in sources())
    assert text.count("log_failure(") > 10
    assert text.count("logger.") > 8


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("logger.info('order placed', extra={'owner': o})", "owner is not on the list"),
        ("logger.info('order placed', extra={'orderId': i, 'customer': c})", "customer is not on the list"),
        ("logger.info(f'order of {name}')", "no fixed sentence"),
        ("logger.info('a ' + name)", "no fixed sentence"),
        ("log_failure(error, str(error))", "no fixed sentence"),
        ("log_failure(error, 'failed', body=body)", "body is not on the list"),
        ("logger.info('row', extra=row)", "nobody can tell"),
        ("logger.info('row', extra={**row})", "nobody can tell"),
        ("row = {'email': 1}\nlogger.info('row', extra=row)", "email is not on the list"),
        ("def f(x):\n    return {'email': 1}\nlogger.info('row', extra=f(1))", "email is not on the list"),
        ("def f(x):\n    return x\nlogger.info('row', extra=f(1))", "nobody can tell"),
        ("t = Counter(due=0)\nt['name'] += 1\nlogger.info('row', extra=dict(t))", "name is not on the list"),
        ("n = f(x) if x else {}\nlog_failure(e, 'm', **n)", "nobody can tell"),
        ("print(order)", "print goes past"),
        ("logger.exception('m')", "exception goes past"),
        ("logger.append_keys(email=1)", "append_keys goes past"),
        ("logger.warning('m', email=1)", "email is not on the list"),
        ("logger.info('order of %s', name)", "filled in with name"),
        ("log_failure(error, 'order of %s', name)", "filled in with name"),
        ("telemetry.logger.info(f'order of {name}')", "no fixed sentence"),
        ("logger.log(20, name)", "log goes past"),
        ("from ecom_common.telemetry import logger as log", "under another name"),
        ("import logging", "logging goes past"),
        ("from traceback import print_exc", "traceback goes past"),
        ("sys.stderr.write(name)", "stderr goes past"),
        ("from sys import stdout", "stdout goes past"),
    ],
)
def test_the_walk_finds(code: str, said: str) -> None:
    found = list(flaws(ast.parse(code), "handlers.py"))
    assert any(said in flaw for flaw in found), found


@pytest.mark.parametrize(
    "code",
    [
        "logger.info('m')",
        "logger.info('m', extra={'orderId': 1})",
        "log_failure(e, 'm', orderId=1, shard=2)",
        "def f(x):\n    return {'orderId': 1}\nn = f(x) if x else {}\nlog_failure(e, 'm', **n)",
        "queue.append_keys(1)",
    ],
)
def test_the_walk_lets_pass(code: str) -> None:
    assert list(flaws(ast.parse(code), "handlers.py")) == []
