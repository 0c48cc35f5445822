"""End-of-Line provisioning of NFC key fobs over GlobalPlatform SCP03."""

__version__ = "0.1.0"
__all__ = ["__version__"]
