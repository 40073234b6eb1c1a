"""edgepack: ship trained models to boxes, with proof that they compute what was trained."""

__version__ = "0.1.0"
