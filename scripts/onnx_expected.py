"""Writes what onnxruntime says of networks: the first eight values of each output, as JSON.

    pip install onnxruntime==1.32.0
    scripts/onnx_expected.py ../shared/data/onnx circuits/import/tests/data/onnx-networks.json
"""

import glob, json, os, sys
import numpy, onnxruntime
result = {}
for folder in sorted(glob.glob(sys.argv[1] + "/*")):
    name = os.path.basename(folder)
    try:
        session = onnxruntime.InferenceSession(folder + "/network.onnx", providers=["CPUExecutionProvider"])
    except Exception as e:
        print(name, str(e)[:200], file=sys.stderr); continue
    try:
        data = json.load(open(folder + "/input.json"))["input_data"]
    except FileNotFoundError:
        data = None
    feed = {}
    types = {"tensor(float)": numpy.float32, "tensor(int64)": numpy.int64, "tensor(int32)": numpy.int32, "tensor(bool)": bool, "tensor(double)": numpy.float64,"tensor(uint8)":numpy.uint8}
    for i, port in enumerate(session.get_inputs()):
        shape = [d if isinstance(d, int) else 1 for d in port.shape]
        n = int(numpy.prod(shape))
        flat = numpy.array(data[i]).reshape(-1) if data else numpy.modf(numpy.arange(n) * 0.618034)[0]
        feed[port.name] = flat.astype(types[port.type]).reshape(shape)
    try:
        outputs = session.run(None, feed)
    except Exception as e:
        print(name, str(e)[:200], file=sys.stderr); continue
    result[name] = [[float(v) for v in numpy.asarray(o).reshape(-1)[:8]] for o in outputs]
json.dump(result, open(sys.argv[2], "w"), separators=(",", ":"))
print(len(result), onnxruntime.__version__)
