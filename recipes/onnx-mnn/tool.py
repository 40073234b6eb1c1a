"""One of MNN's programs: ``tool.py mnnconvert|mnnquant ARGUMENT...``.

The module ``_tools`` is what they are made of. ``MNN.tools``, around it, runs pip and reports to its makers
when it is imported.
"""

import sys

import _tools

getattr(_tools, sys.argv[1])(sys.argv[1:])
