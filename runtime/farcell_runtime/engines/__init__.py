"""What provides workers. Each engine is a module with a ``create(config)``."""

ENGINES = ("local", "ray")
