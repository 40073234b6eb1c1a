"""Writes calibration samples as the LMDB data set that Sophon's tools read. ``dataset.py LIST FOLDER``

Runs in the toolkit's own Python; ufw.io.LMDB_Dataset by Sophon's Quantization-Tools user guide. Its name must
not be lmdb.py: a script's folder comes first where modules are looked for, and ufw.io imports the package
lmdb.
"""

import sys

import numpy as np
import ufw.io

if __name__ == "__main__":
    with open(sys.argv[1]) as handle:
        files = [line.split()[0] for line in handle]
    data = ufw.io.LMDB_Dataset(sys.argv[2])
    for file in files:
        data.put(np.ascontiguousarray(np.load(file)))
    data.close()
