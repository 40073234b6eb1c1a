"""A kmodel on nncase's simulator."""

from __future__ import annotations

import numpy as np
from convert import SESSION, dotnet
from edgepack_recipe import Simulation, kmodel


def run(simulation: Simulation) -> dict[str, np.ndarray]:
    """Outputs by the simulator of the nncase that wrote the model. Raises Refused."""
    return kmodel.run(simulation, kmodel.Nncase(SESSION, env=dotnet()))
