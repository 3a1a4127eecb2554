"""What the tests of this folder share."""

from canaries import canaries

__all__ = ["canaries"]
