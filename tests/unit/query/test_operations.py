"""The table of operations against the service models of botocore, and each answer's elements as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import botocore.session
import pytest

from weka_mp.clock import SeededRandom
from weka_mp.control.desk import Desk
from weka_mp.gateway.identities import open_identities
from weka_mp.identity import KeyFile, RootKeys
from weka_mp.identity.errors import IdentityError
from weka_mp.namespace import Namespace
from weka_mp.query.errors import QueryError
from weka_mp.query.not_built import NOT_BUILT
from weka_mp.query.operations import APIS, Api, answer, find
from weka_mp.query.parameters import Parameters
from weka_mp.store.memory import MemoryStore

ROOT = RootKeys("ROOTKEYEXAMPLE", "root-secret")
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
MODELS = {api.name: botocore.session.get_session().get_service_model(api.name) for api in APIS}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    random = SeededRandom(3)
    with Namespace.open(MemoryStore(), random=random) as namespace:
        keys = KeyFile(str(tmp_path / "state" / "keys"), random)
        found = Desk(open_identities(namespace, keys, ROOT, make_keys=True), namespace)
        try:
            yield found
        finally:
            found.close()


def call(desk: Desk, action: str, **parameters: str) -> ElementTree.Element:
    """The answer's root, by root's key."""
    api = next(api for api in APIS if action in api.operations)
    who = desk.identities.principal(ROOT.access_key)
    assert who is not None
    values = {name.replace("__", "."): value for name, value in parameters.items()}
    asked = Parameters({"Action": action, "Version": api.version, **values})
    return ElementTree.fromstring(answer(desk, who, api.name, asked, "ID", "local"))


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
def test_every_operation_is_built_or_refused_by_name(api: Api) -> None:
    names = set(MODELS[api.name].operation_names)
    assert api.operations.keys() | NOT_BUILT[api.name] == names
    assert not api.operations.keys() & NOT_BUILT[api.name]
    assert (api.version, api.namespace) == (
        MODELS[api.name].api_version, MODELS[api.name].metadata["xmlNamespace"]
    )


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.name)
def test_every_known_parameter_is_one(api: Api) -> None:
    for name, operation in api.operations.items():
        shape = MODELS[api.name].operation_model(name).input_shape
        members = set() if shape is None else set(shape.members)
        assert set(operation.known) <= members, name
        required = set() if shape is None else set(shape.required_members)
        assert required <= set(operation.known), name


def check(shape: Any, element: ElementTree.Element, where: str) -> None:
    """Every element is one of the shape, and every value of its type."""
    if shape.type_name == "structure":
        for child in element:
            name = child.tag.partition("}")[2]
            assert name in shape.members, f"{where}: {name}"
            check(shape.members[name], child, f"{where}.{name}")
        missing = set(shape.required_members) - {child.tag.partition("}")[2] for child in element}
        assert not missing, f"{where} lacks {missing}"
    elif shape.type_name == "list":
        for child in element:
            assert child.tag.endswith("}member"), where
            check(shape.member, child, f"{where}[]")
    elif shape.type_name == "map":
        for entry in element:
            assert [child.tag.partition("}")[2] for child in entry] == ["key", "value"], where
            check(shape.key, entry[0], f"{where}.key")
            check(shape.value, entry[1], f"{where}.value")
    else:
        text = element.text or ""
        assert len(element) == 0, where
        assert shape.type_name != "boolean" or text in ("true", "false"), where
        assert shape.type_name != "integer" or text.isdecimal(), where
        assert shape.type_name != "timestamp" or text.endswith("Z"), where
        assert len(text) >= shape.metadata.get("min", 0), (where, text)


PREPARED = (
    ("CreateUser", {"UserName": "bob", "Tags__member__1__Key": "a", "Tags__member__1__Value": "b"}),
    ("CreatePolicy", {"PolicyName": "mine", "PolicyDocument": POLICY, "Description": "d"}),
    ("CreateGroup", {"GroupName": "staff"}),
    ("AddUserToGroup", {"GroupName": "staff", "UserName": "bob"}),
    ("AttachUserPolicy", {"UserName": "bob", "PolicyArn": "arn:aws:iam::000000000001:policy/mine"}),
    ("AttachGroupPolicy", {"GroupName": "staff", "PolicyArn": "arn:aws:iam::000000000001:policy/mine"}),
    ("PutUserPolicy", {"UserName": "bob", "PolicyName": "own", "PolicyDocument": POLICY}),
    ("PutGroupPolicy", {"GroupName": "staff", "PolicyName": "own", "PolicyDocument": POLICY}),
    ("CreateAccessKey", {"UserName": "bob"}),
)  # fmt: skip
GIVEN = {
    "UserName": "bob", "GroupName": "staff", "PolicyArn": "arn:aws:iam::000000000001:policy/mine",
    "PolicyName": "own", "VersionId": "v1", "DurationSeconds": "900", "Policy": POLICY,
    "RoleArn": "arn:xxx:xxx:xxx:xxxx", "RoleSessionName": "any",
}
ASKING = [
    name for api in APIS for name in api.operations
    if name.startswith(("List", "Get", "Assume")) and name != "GetLoginProfile"
]  # fmt: skip


def test_every_answer_is_of_the_models_shape(desk: Desk) -> None:
    for action, parameters in PREPARED:
        check_answer(action, call(desk, action, **parameters))
    for action in ASKING:
        api = next(api for api in APIS if action in api.operations)
        known = api.operations[action].known
        found = call(desk, action, **{name: value for name, value in GIVEN.items() if name in known})
        check_answer(action, found)


def check_answer(action: str, found: ElementTree.Element) -> None:
    api = next(api for api in APIS if action in api.operations)
    model = MODELS[api.name].operation_model(action)
    assert found.tag == f"{{{api.namespace}}}{action}Response"
    *results, metadata = found
    assert metadata.findtext(f"{{{api.namespace}}}RequestId") == "ID"
    if model.output_shape is None:
        assert not results
        return
    (result,) = results
    assert result.tag.endswith(f"}}{model.output_shape.serialization['resultWrapper']}")
    check(model.output_shape, result, action)


@pytest.mark.parametrize(
    ("action", "version", "code"),
    [
        ("CreateRole", "2010-05-08", "NotImplemented"),
        ("GetFederationToken", "2011-06-15", "NotImplemented"),
        ("CreateRole", "2011-06-15", "InvalidAction"), ("CreateUser", "2011-06-15", "InvalidAction"),
        ("AssumeRole", "", "InvalidAction"), ("", "2010-05-08", "InvalidAction"),
        ("createuser", "2010-05-08", "InvalidAction"),
    ],
)
def test_what_is_no_operation(action: str, version: str, code: str) -> None:
    with pytest.raises(QueryError) as caught:
        find(Parameters({"Action": action, "Version": version}))
    assert caught.value.code == code


def test_a_key_that_was_given_out_administrates_nothing(desk: Desk) -> None:
    """Of root's own, which the table of roles would let do everything."""
    issued = desk.issuer.assume_role(ROOT.access_key)
    who = desk.identities.principal(issued.access_key)
    assert who is not None and who.is_root
    for api in APIS:
        for action, operation in api.operations.items():
            if operation.verb is None:
                continue
            with pytest.raises(QueryError) as caught:
                answer(desk, who, api.name, Parameters({"Action": action, "Version": api.version}), "ID",
                       "local")
            assert caught.value.code == "AccessDenied"


def test_nothing_of_iam_is_free_of_a_verb() -> None:
    assert all(operation.verb is not None for operation in APIS[1].operations.values())
    assert APIS[1].services == frozenset({"iam"})


def test_who_has_no_right_learns_nothing_of_parameters(desk: Desk) -> None:
    call(desk, "CreateUser", UserName="bob")
    key = desk.administration.add_access_key("bob")
    who = desk.identities.principal(key.access_key)
    assert who is not None
    asked = Parameters({"Action": "DeleteUser", "Version": "2010-05-08", "Unknown": "x"})
    with pytest.raises(QueryError, match="is not authorized to perform: iam:DeleteUser"):
        answer(desk, who, "iam", asked, "ID", "local")


def test_a_refusal_changes_nothing(desk: Desk) -> None:
    before = desk.identities.registry
    for action, parameters in PREPARED[3:]:
        with pytest.raises((IdentityError, QueryError)):
            call(desk, action, **parameters)
    assert desk.identities.registry == before
