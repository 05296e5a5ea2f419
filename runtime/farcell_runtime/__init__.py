"""The farcell runtime: head, workers, engines and what they say to each other."""

__version__ = "0.1.0"
