"""DynamoDB's expressions as text: tokens, and the trees they make.

A tree is nested tuples: ``("and", left, right)``, ``("<=", ("path", "sweepAt"), ("value", ":now"))`` …
What DynamoDB refuses is `InvalidError`; what it knows and this does not is a NotImplementedError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from simulation.attribute_values import InvalidError

Tree: TypeAlias = tuple[Any, ...]

RESERVED = frozenset((Path(__file__).parent / "reserved_words.txt").read_text(encoding="utf-8").split())
"""Words that an expression must not use as attribute names, from the DynamoDB developer guide."""

COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
CONDITIONS = {"attribute_exists": 1, "attribute_not_exists": 1, "begins_with": 2, "contains": 2}
"""Functions that are conditions, and how many operands each takes."""
VALUES = {"if_not_exists": 2, "list_append": 2}
"""Functions of which SET takes the value."""
UNKNOWN = ("attribute_type", "size")
CLAUSES = ("SET", "REMOVE", "ADD", "DELETE")

_token = re.compile(r"\s*([#:]?[A-Za-z0-9_]+|<=|>=|<>|[-+=<>(),.\[\]])")


def _tokens(text: str) -> list[str]:
    tokens, at, end = [], 0, len(text.rstrip())
    while at < end:
        found = _token.match(text, at)
        if not found:
            raise InvalidError("Syntax error in the expression")
        tokens.append(found[1])
        at = found.end()
    if not tokens:
        raise InvalidError("The expression can not be empty")
    return tokens


class Reader:
    """Reads one expression; adds to `used` every name and value it mentions."""

    def __init__(self, text: str, names: Mapping[str, str], values: frozenset[str], used: set[str]) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._names = names
        self._values = values
        self._used = used

    def condition(self) -> Tree:
        tree = self._or()
        self._end()
        return tree

    def update(self) -> list[tuple[str, str, Tree]]:
        """What becomes of each attribute: (SET, attribute, tree) …"""
        actions: list[tuple[str, str, Tree]] = []
        seen: list[str] = []
        while self._peek():
            clause = self._next().upper()
            if clause not in CLAUSES:
                raise InvalidError("Syntax error in the update expression")
            if clause in seen:
                raise InvalidError(f'The "{clause}" section can only be used once in an update expression')
            seen.append(clause)
            actions.append(self._action(clause))
            while self._accept(","):
                actions.append(self._action(clause))
        attributes = [attribute for _, attribute, _ in actions]
        if len(set(attributes)) < len(attributes):
            raise InvalidError("Two document paths overlap with each other")
        return actions

    def _action(self, clause: str) -> tuple[str, str, Tree]:
        attribute = self._path()[1]
        if clause == "REMOVE":
            return clause, attribute, ()
        if clause != "SET":
            operand = self._operand()
            if operand[0] != "value":
                raise InvalidError(f"Syntax error: {clause} takes a value")
            return clause, attribute, operand
        self._expect("=")
        left = self._term()
        sign = self._peek()
        if sign in ("+", "-"):
            return clause, attribute, (self._next(), left, self._term())
        return clause, attribute, left

    def _term(self) -> Tree:
        name = self._peek()
        if name == "(":
            raise NotImplementedError(f"brackets around a value: {self._text}")
        if name in VALUES and self._peek(1) == "(":
            operands = self._call(VALUES, self._term)
            if name == "if_not_exists" and operands[0][0] != "path":
                raise InvalidError("Operator or function requires a document path: if_not_exists")
            if any(operand[0] == "list_append" for operand in operands):
                raise InvalidError("The function is not allowed to be used this way: list_append")
            return (name, *operands)
        return self._operand()

    def _or(self) -> Tree:
        tree = self._and()
        while self._accept("OR"):
            tree = ("or", tree, self._and())
        return tree

    def _and(self) -> Tree:
        tree = self._not()
        while self._accept("AND"):
            tree = ("and", tree, self._not())
        return tree

    def _not(self) -> Tree:
        if self._accept("NOT"):
            return ("not", self._not())
        if self._accept("("):
            tree = self._or()
            self._expect(")")
            if tree[0] == "group":
                raise InvalidError("The expression has redundant parentheses")
            return ("group", tree)
        name = self._peek()
        if self._peek(1) == "(":
            return self._function(name)
        return self._comparison()

    def _function(self, name: str) -> Tree:
        operands = self._call(CONDITIONS, self._operand)
        if operands[0][0] != "path":
            if name.startswith("attribute"):
                raise InvalidError(
                    f"Operator or function requires a document path; operator or function: {name}"
                )
            raise NotImplementedError(f"a value as the first operand of {name}: {self._text}")
        if operands[0] in operands[1:]:
            raise InvalidError("The first operand must be distinct from the remaining operands")
        return (name, *operands)

    def _comparison(self) -> Tree:
        left = self._operand()
        if self._accept("BETWEEN"):
            low = self._operand()
            self._expect("AND")
            return ("between", left, low, self._operand())
        if self._accept("IN"):
            self._expect("(")
            members = [self._operand()]
            while self._accept(","):
                members.append(self._operand())
            self._expect(")")
            return ("in", left, *members)
        comparator = self._next()
        if comparator not in COMPARATORS:
            raise InvalidError("Syntax error in the expression")
        right = self._operand()
        if left == right:
            raise InvalidError("The first operand must be distinct from the remaining operands")
        return (comparator, left, right)

    def _call(self, functions: Mapping[str, int], operand: Callable[[], Tree]) -> list[Tree]:
        name = self._next()
        if name in UNKNOWN:
            raise NotImplementedError(f"{name}: {self._text}")
        if name not in functions:
            raise InvalidError("InvalidError function name")
        self._expect("(")
        operands = [operand()]
        while self._accept(","):
            operands.append(operand())
        self._expect(")")
        if len(operands) != functions[name]:
            raise InvalidError(f"Incorrect number of operands for operator or function: {name}")
        return operands

    def _operand(self) -> Tree:
        token = self._peek()
        if not token.startswith(":"):
            return self._path()
        self._next()
        if token not in self._values:
            raise InvalidError("An expression attribute value used in expression is not defined")
        self._used.add(token)
        return ("value", token)

    def _path(self) -> Tree:
        token = self._next()
        if self._peek() in (".", "["):
            raise NotImplementedError(f"a path into a document: {self._text}")
        if token.startswith("#"):
            if token not in self._names:
                raise InvalidError("An expression attribute name used in the document path is not defined")
            self._used.add(token)
            return ("path", self._names[token])
        if not (token[:1].isalpha() and token.isascii()):
            raise InvalidError("Syntax error in the expression")
        if token.upper() in RESERVED:
            raise InvalidError("Attribute name is a reserved keyword")
        return ("path", token)

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at] if at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token

    def _accept(self, word: str) -> bool:
        found = self._peek().upper() == word
        self._at += found
        return found

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise InvalidError("Syntax error in the expression")

    def _end(self) -> None:
        if self._peek():
            raise InvalidError("Syntax error in the expression")
