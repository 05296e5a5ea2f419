"""Notebooks that nobody wrote for farcell, run at home and under ``%%remote``, and compared."""
