"""Stands where rknn-toolkit2 imports PyTorch, which it needs for PyTorch models and for its `gdq`
algorithm alone."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any


class _Absent:
    """What decorates and is derived from when the toolkit is imported; of no other use."""

    def __init__(self, *_args: object, **_more: object) -> None: ...

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return function


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> type[_Absent]:
        if name.startswith("__") or (name.islower() and name != "no_grad"):
            raise AttributeError(f"{self.__name__}.{name}: PyTorch is not here")
        return _Absent


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        own = name.partition(".")[0] == "torch"
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if own else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None: ...


def stand_in() -> None:
    """From here on ``import torch`` succeeds, and using it fails with AttributeError."""
    sys.meta_path.insert(0, _Finder())
