"""Models on their way to a worker: a forest of scikit-learn's, and a module of torch's.

Only the standard library is imported here: this is read under the peers' interpreter too.
"""

from __future__ import annotations

from importlib.util import find_spec

#: What makes each model, what changes all of it, and what it needs.
MODELS = {
    "values.forest": (
        "import numpy, sklearn.ensemble\n"
        "rows = numpy.random.default_rng(0).normal(size=(5_000, 20))\n"
        "model = sklearn.ensemble.RandomForestRegressor(50, n_jobs=2, random_state=0)\n"
        "model.fit(rows, rows.sum(axis=1));",
        "model.verbose = 1 - model.verbose",
        "sklearn",
    ),
    "values.module": (
        "import torch\n"
        "model = torch.nn.Sequential(*(torch.nn.Linear(1581, 1581) for _ in range(10)))",
        "with torch.no_grad():\n    for part in model.parameters(): part += 1",
        "torch",
    ),
}
#: What a peer of ours that has no cluster does: to a file, and back.
THROUGH_A_FILE = """\
with open("model.pickle", "wb") as file: pickle.dump(model, file, protocol=5)
with open("model.pickle", "rb") as file: pickle.load(file)
"""


def here() -> dict[str, tuple[str, str]]:
    """The models whose package this interpreter has: what makes and what changes each."""
    return {
        figure: (make, change)
        for figure, (make, change, package) in MODELS.items()
        if find_spec(package)
    }
