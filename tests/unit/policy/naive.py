"""A second evaluator of policies, written another way: it keeps the raw JSON, and for every element of the
language works out the whole set of statements that the element lets pass. What all let pass, applies.

It shares no code with weka_mp.policy and is slow on purpose: patterns are compared by a table of all places,
numbers are fractions, dates and networks the standard library's.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

Json = Any
Token = tuple[str, str]
"""("char", c), ("one", "") or ("many", "")."""


@dataclass(frozen=True)
class Asked:
    """A case's question. `who` has account, canonical, user and root, or is None; context keys are as in the
    case."""

    who: dict[str, Json] | None
    action: str
    arn: str
    context: dict[str, list[str]]

    def values(self, key: str) -> list[str]:
        """The values under a key whose name is compared without case up to a slash."""
        for name, values in self.context.items():
            if _folded(name) == _folded(key):
                return values
        return []


def allowed(case: dict[str, Json]) -> bool:
    """The answer to a case of the case files."""
    who = case["who"]
    asked = Asked(who, case["action"], case["arn"], case["context"])
    layers = {
        "identity": _passing(case["identity"], asked),
        "resource": _passing([case["resource"]] if case["resource"] else [], asked),
    }
    bounds = [_passing([document], asked) for document in case["bounds"]]
    home = who is not None and case["owner"] in (who["account"], who["canonical"])
    rescue = (
        home
        and who["root"]
        and case["action"] in {f"s3:{verb}BucketPolicy" for verb in ("Get", "Put", "Delete")}
    )
    denying = [*layers["identity"], *([] if rescue else layers["resource"]), *(s for b in bounds for s in b)]
    if any(statement["Effect"] == "Deny" for statement in denying):
        return False
    if not all(any(statement["Effect"] == "Allow" for statement in bound) for bound in bounds):
        return False
    by_identity = any(s["Effect"] == "Allow" for s in layers["identity"]) or (who is not None and who["root"])
    by_resource = [s for s in layers["resource"] if s["Effect"] == "Allow"]
    if who is None:
        return bool(by_resource)
    if not home:
        return by_identity and bool(by_resource)
    return by_identity or any(_named_itself(statement["Principal"], who) for statement in by_resource)


def _passing(documents: Iterable[Json], asked: Asked) -> list[Json]:
    """All statements of `documents` that apply."""
    found: list[Json] = []
    for document in documents:
        listed = document["Statement"]
        statements = listed if isinstance(listed, list) else [listed]
        variables = document.get("Version") == "2012-10-17"
        everything = set(range(len(statements)))
        left = everything
        for sieve in (_by_action, _by_principal, _by_resource, _by_condition):
            left = left & {i for i in everything if sieve(statements[i], asked, variables)}
        found += [statements[i] for i in sorted(left)]
    return found


def _by_action(statement: Json, asked: Asked, _variables: bool) -> bool:
    negative = "NotAction" in statement
    patterns = _list(statement["NotAction" if negative else "Action"])
    hit = any(_fits([*_tokens(p.lower())], asked.action.lower()) for p in patterns)
    return hit != negative


def _by_principal(statement: Json, asked: Asked, _variables: bool) -> bool:
    if "Principal" in statement:
        return _named(statement["Principal"], asked.who)
    if "NotPrincipal" not in statement:
        return True
    value, who = statement["NotPrincipal"], asked.who
    if _star(value) or who is None:
        return not _star(value)
    if _named_itself(value, who):
        return False
    companions = [t for t in _names(value) if any(f"{a}:user/" in t.lower() for a in _ids(who))]
    return bool(companions) or not _named(value, who)


def _names(value: Json) -> list[str]:
    return [text for texts in value.values() for text in _list(texts)] if isinstance(value, dict) else [value]


def _star(value: Json) -> bool:
    return "*" in _names(value)


def _ids(who: dict[str, Json]) -> tuple[str, str]:
    return who["account"], who["canonical"]


def _named_itself(value: Json, who: dict[str, Json]) -> bool:
    """By *, by its own ARN, or being the root of a named account."""
    if _star(value):
        return True
    if who["root"]:
        return _named(value, who)
    return any(f"arn:aws:iam::{account}:user/{who['user']}" in _lowered(value) for account in _ids(who))


def _lowered(value: Json) -> set[str]:
    """Principal texts with hexadecimal account ids in lower case."""
    found = set()
    for text in _names(value):
        head, colon, tail = text.partition(":user/") if ":user/" in text else (text, "", "")
        found.add(head.lower() + colon + tail)
    return found


def _named(value: Json, who: dict[str, Json] | None) -> bool:
    if _star(value):
        return True
    if who is None:
        return False
    for account in _ids(who):
        if {account, f"arn:aws:iam::{account}:root"} & _lowered(value):
            return True
        if not who["root"] and f"arn:aws:iam::{account}:user/{who['user']}" in _lowered(value):
            return True
    return False


def _by_resource(statement: Json, asked: Asked, variables: bool) -> bool:
    negative = "NotResource" in statement
    hit = False
    for text in _list(statement["NotResource" if negative else "Resource"]):
        tokens = _filled(text, asked, variables)
        hit = hit or (tokens is not None and _fits(tokens, asked.arn))
    return hit != negative


def _by_condition(statement: Json, asked: Asked, variables: bool) -> bool:
    return all(
        _condition(operator, asked.values(key), [_plain(v) for v in _list(values)], asked, variables)
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _plain(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _condition(operator: str, have: list[str], want: list[str], asked: Asked, variables: bool) -> bool:
    quantifier, _, name = operator.rpartition(":")
    optional = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    if name == "Null":
        return any((w.lower() == "true") == (not have) for w in want)
    negative = "Not" in name
    positive = name.replace("Not", "")
    one = _OPERATORS[positive]

    def good(value: str) -> bool:
        return any(one(value, w, asked, variables) for w in want) != negative

    if not have:
        return {"": negative or optional, "ForAllValues": True, "ForAnyValue": False}[quantifier]
    if quantifier == "":
        return len(have) == 1 and good(have[0])
    values = [] if have == [""] else have
    return all(map(good, values)) if quantifier == "ForAllValues" else any(map(good, values))


Compare = Callable[[str, str, Asked, bool], bool]


def _string(value: str, want: str, asked: Asked, variables: bool) -> bool:
    tokens = _filled(want, asked, variables, wild=False)
    return tokens is not None and "".join(c for _, c in tokens) == value


def _string_any_case(value: str, want: str, asked: Asked, variables: bool) -> bool:
    tokens = _filled(want, asked, variables, wild=False)
    return tokens is not None and "".join(c for _, c in tokens).upper() == value.upper()


def _like(value: str, want: str, asked: Asked, variables: bool) -> bool:
    tokens = _filled(want, asked, variables)
    return tokens is not None and _fits(tokens, value)


def _arn(value: str, want: str, asked: Asked, variables: bool) -> bool:
    tokens = _filled(want, asked, variables)
    if tokens is None:
        return False
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token == ("char", ":") and len(parts) < 6:
            parts.append([])
        else:
            parts[-1].append(token)
    have = value.split(":", 5)
    return len(parts) == len(have) == 6 and all(map(_fits, parts, have))


def _bool(value: str, want: str, asked: Asked, variables: bool) -> bool:
    tokens = _filled(want, asked, variables, wild=False)
    text = None if tokens is None else "".join(c for _, c in tokens).lower()
    return value.lower() in ("true", "false") and text == value.lower()


def _ip(value: str, want: str, _asked: Asked, _variables: bool) -> bool:
    """Everything is looked at as IPv6, where IPv4 has its place below ::ffff:0:0/96."""
    within, _, length = want.partition("/")
    net = ipaddress.ip_address(within)
    bits = int(length or net.max_prefixlen) + (96 if net.version == 4 else 0)
    below = ipaddress.ip_network(f"{_as_six(net)}/{bits}", strict=False)
    # ::/0 and its like mean IPv6 alone: no range broader than all of IPv4 has any of it.
    have = _as_six(ipaddress.ip_address(value))
    return have in below and (have.ipv4_mapped is None or bits >= 96)


def _as_six(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv6Address:
    return (
        ipaddress.IPv6Address(f"::ffff:{address}") if address.version == 4 else ipaddress.IPv6Address(address)
    )


def _ordered(read: Callable[[str], Fraction | None], holds: Callable[[Fraction, Fraction], bool]) -> Compare:
    def compare(value: str, want: str, _asked: Asked, _variables: bool) -> bool:
        have, bound = read(value), read(want)
        return have is not None and bound is not None and holds(have, bound)

    return compare


def _fraction(text: str) -> Fraction | None:
    try:
        return Fraction(text)
    except ValueError:
        return None


def _moment(text: str) -> Fraction | None:
    """Through the standard library's reader; a bare year or month is completed first."""
    if len(text) in (4, 7) and text[:4].isdigit() and text[4:5] in ("", "-"):
        text += "-01-01"[len(text) - 4 :]
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _fraction(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    return Fraction(found.timestamp())


_HOLDS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "Equals": lambda a, b: a == b,
    "LessThan": lambda a, b: a < b,
    "LessThanEquals": lambda a, b: a <= b,
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanEquals": lambda a, b: a >= b,
}
_OPERATORS: dict[str, Compare] = {
    "StringEquals": _string,
    "StringEqualsIgnoreCase": _string_any_case,
    "StringLike": _like,
    "ArnEquals": _arn,
    "ArnLike": _arn,
    "Bool": _bool,
    "IpAddress": _ip,
    **{f"Numeric{name}": _ordered(_fraction, holds) for name, holds in _HOLDS.items()},
    **{f"Date{name}": _ordered(_moment, holds) for name, holds in _HOLDS.items()},
}


def _tokens(text: str, *, wild: bool = True) -> Iterable[Token]:
    for c in text:
        yield {"*": ("many", ""), "?": ("one", "")}.get(c, ("char", c)) if wild else ("char", c)


def _filled(text: str, asked: Asked, variables: bool, *, wild: bool = True) -> list[Token] | None:
    """`text` with its variables filled in; None where one has no value."""
    found: list[Token] = []
    while text:
        if variables and text.startswith("${"):
            inside, _, text = text[2:].partition("}")
            name, _, default = inside.partition(",")
            values = [inside] if inside in ("*", "?", "$") else asked.values(name.strip())
            if not values and default:
                values = [default.strip()[1:-1]]
            if len(values) != 1:
                return None
            found += [("char", c) for c in values[0]]
        else:
            found += _tokens(text[0], wild=wild)
            text = text[1:]
    return found


def _fits(pattern: list[Token], text: str) -> bool:
    """Row by row over the text, which beginnings of the pattern match so far."""
    row = [True]
    for kind, _ in pattern:
        row.append(row[-1] and kind == "many")
    for c in text:
        new = [False]
        for place, (kind, wanted) in enumerate(pattern, 1):
            if kind == "many":
                new.append(new[place - 1] or row[place])
            else:
                new.append(row[place - 1] and (kind == "one" or wanted == c))
        row = new
    return row[-1]


def _folded(name: str) -> str:
    head, slash, tail = name.partition("/")
    return head.lower() + slash + tail


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]
