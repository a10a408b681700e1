"""What is wrong with a policy."""

from __future__ import annotations

__all__ = ["MalformedPolicy"]


class MalformedPolicy(ValueError):
    """The document is not a policy that this service can keep to. `place` names the element, ``""`` all.

    The message is meant for who wrote the policy; S3's and IAM's error code for it is MalformedPolicy
    (MalformedPolicyDocument).
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}" if place else problem)
        self.place = place
        self.problem = problem
