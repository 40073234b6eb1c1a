"""What can go wrong between a trained model and a converted one."""

from __future__ import annotations

from edgepack.errors import EdgepackError, Exit, InputError


class ModelError(EdgepackError):
    """The model file itself: not a model, cut off, or made in a way nothing can convert."""

    exit_code = Exit.MODEL


class ConvertError(EdgepackError):
    """The converter refused, crashed, or said it succeeded and wrote nothing usable."""

    exit_code = Exit.CONVERT


class AskedError(ConvertError):
    """What was asked for cannot be had, or took too long: the model in another form would not help."""


class ConvertParityError(EdgepackError):
    """The converted model does not compute what the trained one does."""

    exit_code = Exit.PARITY


def as_input(error: EdgepackError, where: str) -> InputError:
    """The same, told as the fault of what the user gave: data, or code of theirs that a recipe ran."""
    return InputError(error.what, where=where, why=error.why, fix=error.fix, detail=error.detail)
