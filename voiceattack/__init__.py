"""voiceattack: craft adversarial audio against speech recognition, save it, hear it back, and measure it."""

__version__ = "0.1.0"
__all__ = ["__version__"]
