"""A service as one writes it in Python: ONNX Runtime behind the standard library's HTTP server.

python -m bench.service_peer MODEL THREADS     prints its port; ends with its standard input
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime


def main() -> None:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(sys.argv[2])
    session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    output = session.get_outputs()[0].name

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            head = int(self.headers["Inference-Header-Content-Length"])
            shape = json.loads(body[:head])["inputs"][0]["shape"]
            samples = np.frombuffer(body[head:], np.float32).reshape(shape)
            # The model is exported for one sample at a time.
            found = np.concatenate([session.run(None, {name: sample[None]})[0] for sample in samples])
            data = found.tobytes()
            meta = {"name": output, "datatype": "FP32", "shape": list(found.shape)}
            text = json.dumps({"outputs": [{**meta, "parameters": {"binary_data_size": len(data)}}]}).encode()
            self.send_response(200)
            self.send_header("Inference-Header-Content-Length", str(len(text)))
            self.send_header("Content-Length", str(len(text) + len(data)))
            self.end_headers()
            self.wfile.write(text + data)

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
