"""Stand-in for Sophon's ufw.io: LMDB_Dataset(path), put(array), close().

Quantization-Tools user guide, "Preparing an LMDB data set", and its create_lmdb example. Of a sample this
one keeps the shape.
"""

import lmdb


class LMDB_Dataset:  # noqa: N801
    def __init__(self, path, queuesize=100):
        self.environment = lmdb.open(path, map_size=1 << 40)
        self.count = 0

    def put(self, data, key=None):
        if not data.flags["C_CONTIGUOUS"]:
            raise ValueError("array is not contiguous")
        self.environment.file.write(f"{','.join(map(str, data.shape))}\n".encode())
        self.count += 1

    def close(self):
        self.environment.file.close()
