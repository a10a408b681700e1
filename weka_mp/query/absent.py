"""IAM: lists of what nobody has here, which clients ask for before they remove a user: truly empty."""

from __future__ import annotations

from weka_mp.query.call import Call
from weka_mp.query.xml import Record

__all__ = [
    "list_account_aliases", "list_mfa_devices", "list_open_id_connect_providers", "list_roles",
    "list_service_specific_credentials", "list_signing_certificates", "list_ssh_public_keys",
    "list_virtual_mfa_devices",
]  # fmt: skip


def list_mfa_devices(call: Call) -> Record:
    return _of_user(call, "MFADevices")


def list_virtual_mfa_devices(call: Call) -> Record:
    call.parameters.choice_or_none("AssignmentStatus", ("Assigned", "Unassigned", "Any"))
    return call.page("VirtualMFADevices", ())


def list_ssh_public_keys(call: Call) -> Record:
    return _of_user(call, "SSHPublicKeys")


def list_signing_certificates(call: Call) -> Record:
    return _of_user(call, "Certificates")


def list_service_specific_credentials(call: Call) -> Record:
    return _of_user(call, "ServiceSpecificCredentials")


def list_account_aliases(call: Call) -> Record:
    return call.page("AccountAliases", ())


def list_roles(call: Call) -> Record:
    return call.page("Roles", ())


def list_open_id_connect_providers(call: Call) -> Record:
    return {"OpenIDConnectProviderList": []}


def _of_user(call: Call, element: str) -> Record:
    """Of a user that is there, if one is named."""
    if call.parameters.text_or_none("UserName") is not None:
        call.named_user()
    return call.page(element, ())
