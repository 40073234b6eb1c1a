"""What a recipe's ``convert.py`` and ``run.py`` import. Python 3.7 and NumPy."""

from .refused import Refused
from .request import Request, Simulation
from .steps import Step, step

__all__ = ["Refused", "Request", "Simulation", "Step", "step"]
