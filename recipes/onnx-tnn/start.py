"""Starts TNN's converter in its own folder. ``start.py CONVERTER ARGUMENTS…``

It calls its compiled part by a path that starts from the folder it was started in (convert2tnn's
onnx_converter/onnx2tnn.py: ``../onnx2tnn/onnx-converter/``), and from any other folder it fails with exit
code 0.
"""

import os
import subprocess
import sys

if __name__ == "__main__":
    converter = os.path.abspath(sys.argv[1])
    sys.exit(subprocess.call([sys.executable, converter, *sys.argv[2:]], cwd=os.path.dirname(converter)))
