"""Small random ONNX graphs, run by zkml and by onnxruntime: scripts/fuzz --graphs [--count N] [--seed S] [--prove N]
[--json].

Each graph has a seed of its own, `S:INDEX`, which `--only INDEX` makes again. Integers and booleans must be equal;
real numbers within a bound that is computed beside them: what rounding to multiples of 1/512 can do in each operator,
carried through the later ones. Inputs and constants are multiples of 1/64, so nothing is rounded before that. zkml may
also refuse a graph with one error; everything else counts as different.
"""

import argparse, json, os, random, shutil, subprocess, sys, tempfile
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

UNIT = 1 / 512
# The first operator set with bitwise operators.
VERSION = {"opset_imports": [helper.make_opsetid("", 18)], "ir_version": 8}
FLOAT, BOOL, INT64 = np.float32, np.bool_, np.int64
INTS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
# Constants of 64 bits reach what a graph holds; those of fewer bits the ends of their type.
EXTREME = 1 << 38
CODES = {
    np.float32: TensorProto.FLOAT, np.bool_: TensorProto.BOOL, np.int8: TensorProto.INT8,
    np.uint8: TensorProto.UINT8, np.int16: TensorProto.INT16, np.uint16: TensorProto.UINT16,
    np.int32: TensorProto.INT32, np.uint32: TensorProto.UINT32, np.int64: TensorProto.INT64,
    np.uint64: TensorProto.UINT64,
}


class Value:
    """A tensor of the graph: its value, and how far zkml's may be off; `None` where that is not known."""

    def __init__(self, name, array, error):
        self.name, self.array, self.error = name, array, error
        self.type = array.dtype.type


class Skip(Exception):
    """The drawn operator does not fit what was drawn for it."""


class Graph:
    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.nodes, self.constants, self.inputs, self.values = [], [], [], []
        for _ in range(self.rng.randint(1, 3)):
            kind = self.rng.choice([FLOAT, FLOAT, BOOL] + INTS)
            value = Value(f"in{len(self.inputs)}", self.numbers(kind, self.shape()), 0.0)
            self.inputs.append(value)
            self.values.append(value)
        wanted = self.rng.randint(1, 6)
        for _ in range(40):
            if len(self.nodes) == wanted:
                break
            try:
                self.grow()
            except Skip:
                pass

    def shape(self):
        return [self.rng.choice([1, 1, 2, 3, 4]) for _ in range(self.rng.choice([0, 1, 1, 2, 2, 3, 3]))]

    def numbers(self, kind, shape, extreme=False):
        count = int(np.prod(shape))
        if kind == FLOAT:
            draw = lambda: self.rng.choice([-0.0, 0.0, 1.0, -1.0]) if self.rng.random() < 0.1 else self.rng.randint(-192, 192) / 64
            flat = [draw() for _ in range(count)]
        elif kind == BOOL:
            flat = [self.rng.random() < 0.5 for _ in range(count)]
        else:
            info = np.iinfo(kind)
            # Inputs of wide types are within what their range is where none is named.
            most = EXTREME if extreme else 30000
            low, high = max(info.min, -most), min(info.max, most)
            corners = [low, high, 0, 1, max(low, -1)]
            draw = lambda: self.rng.choice(corners) if self.rng.random() < 0.3 else self.rng.randint(low, high)
            flat = [draw() for _ in range(count)]
        return np.array(flat, dtype=kind).reshape(shape)

    def pick(self, *kinds):
        fits = [v for v in self.values if v.type in kinds]
        if not fits:
            raise Skip
        return self.rng.choice(fits[-4:] if self.rng.random() < 0.7 else fits)

    def axis(self, a):
        if a.array.ndim == 0:
            raise Skip
        return self.rng.randrange(a.array.ndim)

    def constant(self, array):
        value = Value(f"c{len(self.constants)}", array, 0.0)
        self.constants.append(value)
        return value

    def partner(self, a):
        """A second operand: computed, or a constant, that broadcasts."""
        fits = [v for v in self.values if v.type == a.type and broadcasts(a.array, v.array)]
        if fits and self.rng.random() < 0.6:
            return self.rng.choice(fits)
        shape = [size if self.rng.random() < 0.7 else 1 for size in a.array.shape]
        # Also of a lower rank.
        shape = shape[self.rng.choice([0, 0, 0, len(shape)]) :]
        return self.constant(self.numbers(a.type, shape, extreme=self.rng.random() < 0.2))

    def add(self, op, operands, error, **attributes):
        name = f"t{len(self.nodes)}"
        node = helper.make_node(op, [v.name for v in operands], [name], name=f"n{len(self.nodes)}", **attributes)
        known = {v.name: v.array for v in operands}
        array = one_node(node, known)
        real = array.dtype.type == FLOAT
        if array.dtype.type not in CODES or array.size > 256 or array.size == 0:
            raise Skip
        if real and not (np.isfinite(array).all() and np.abs(array).max() < 500):
            raise Skip
        error = np.broadcast_to(np.asarray(error, dtype=np.float64), array.shape) if real else 0.0
        if real and np.max(error) > 1:
            raise Skip
        self.nodes.append(node)
        self.values.append(Value(name, array, error))

    def grow(self):
        family = self.rng.choice(["real", "real", "integer", "integer", "boolean", "move", "move", "compare", "cast"])
        getattr(self, family)()

    def real(self):
        a = self.pick(FLOAT)
        x, ex = np.abs(a.array.astype(np.float64)), np.broadcast_to(a.error, a.array.shape)
        op = self.rng.choice(
            ["Add", "Sub", "Mul", "Max", "Min", "Neg", "Abs", "Relu", "Tanh", "Sigmoid", "Sin", "Cos", "Erf", "Clip",
             "LeakyRelu", "HardSigmoid", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "MatMul", "Softmax",
             "Floor", "Ceil", "Round", "Sign", "Softsign", "Exp", "Sqrt", "Square", "Mask"])
        if op in ("Add", "Sub", "Mul", "Max", "Min"):
            b = self.partner(a)
            y, ey = np.abs(b.array.astype(np.float64)), np.broadcast_to(b.error, b.array.shape)
            error = x * ey + y * ex + ex * ey + UNIT if op == "Mul" else ex + ey
            self.add(op, [a, b], error)
        elif op in ("Neg", "Abs", "Relu"):
            self.add(op, [a], ex)
        elif op in ("Tanh", "Sigmoid", "Sin", "Cos", "Erf", "HardSigmoid", "Softsign"):
            self.add(op, [a], 1.2 * ex + 2 * UNIT)
        elif op == "Exp":
            y = np.exp(a.array.astype(np.float64))
            self.add(op, [a], y * np.expm1(ex) + UNIT + y / 256)
        elif op == "Sqrt":
            # Near 0 its slope has no bound.
            self.add(op, [a], np.sqrt(ex + UNIT) + UNIT)
        elif op == "Square":
            self.add("Pow", [a, self.constant(np.array(2, dtype=FLOAT))], 2 * x * ex + ex * ex + UNIT)
        elif op == "Mask":
            self.mask(a)
        elif op == "LeakyRelu":
            self.add(op, [a], ex + 2 * UNIT, alpha=self.rng.choice([0.125, 0.5]))
        elif op == "Clip":
            # Also in the other order, and one of them infinite.
            ends = [self.rng.choice([self.rng.randint(-128, 128) / 64] * 5 + [end]) for end in (-np.inf, np.inf)]
            low, high = (self.constant(np.array(end, dtype=FLOAT)) for end in ends)
            self.add(op, [a, low, high], ex)
        elif op in ("Floor", "Ceil", "Round", "Sign"):
            if np.max(ex) > 0:
                raise Skip
            self.add(op, [a], 0.0)
        elif op.startswith("Reduce"):
            axis = self.axis(a)
            keep = self.rng.choice([0, 1])
            named = axis - self.rng.choice([0, a.array.ndim])
            fold = {"ReduceMean": np.mean, "ReduceSum": np.sum}.get(op, np.max)
            error = fold(ex, axis=axis, keepdims=bool(keep)) + (UNIT if op == "ReduceMean" else 0)
            self.add(op, [a, self.constant(np.array([named], dtype=INT64))], error, keepdims=keep)
        elif op == "MatMul":
            if a.array.ndim < 2:
                raise Skip
            b = self.constant(self.numbers(FLOAT, [a.array.shape[-1], self.rng.randint(1, 4)]))
            self.add(op, [a, b], ex @ np.abs(b.array.astype(np.float64)) + UNIT)
        else:
            self.add(op, [a], 2 * np.max(ex) + 6 * UNIT, axis=self.axis(a))

    def mask(self, a):
        """A softmax of what a mask leaves: something of each row."""
        axis = self.axis(a)
        hidden = np.array([self.rng.random() < 0.4 for _ in range(a.array.size)]).reshape(a.array.shape)
        np.moveaxis(hidden, axis, -1)[..., self.rng.randrange(a.array.shape[axis])] = False
        far = self.rng.choice([-np.inf, -1e30, -1e9, -1e4])
        mask = self.constant(np.where(hidden, far, 0).astype(FLOAT))
        name = f"t{len(self.nodes)}"
        node = helper.make_node("Add", [a.name, mask.name], [name], name=f"n{len(self.nodes)}")
        masked = Value(name, one_node(node, {a.name: a.array, mask.name: mask.array}), a.error)
        self.nodes.append(node)
        try:
            self.add("Softmax", [masked], 2 * np.max(a.error) + 6 * UNIT, axis=axis)
        except Skip:
            # Nobody is to read it.
            self.nodes.pop()
            raise

    def integer(self):
        a = self.pick(*INTS)
        op = self.rng.choice(
            ["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min", "Neg", "Abs", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
             "BitwiseNot", "BitShift", "ReduceSum", "ReduceMax", "ReduceMin", "Clip", "Sign"])
        if op in ("Div", "Mod"):
            b = self.numbers(a.type, a.array.shape)
            b[b == 0] = 3
            # Overflow, which nobody defines.
            b[b == -1] = 7
            self.add(op, [a, self.constant(b)], 0.0)
        elif op == "BitShift":
            if np.iinfo(a.type).min < 0:
                raise Skip
            steps = self.constant(np.array([self.rng.choice([self.rng.randrange(8), np.iinfo(a.type).bits - 1])], dtype=a.type))
            self.add(op, [a, steps], 0.0, direction=self.rng.choice(["LEFT", "RIGHT"]))
        elif op in ("Neg", "Abs", "BitwiseNot", "Sign"):
            self.add(op, [a], 0.0)
        elif op == "Clip":
            low, high = self.numbers(a.type, [2], extreme=self.rng.random() < 0.3)
            ends = [self.constant(np.array(end, dtype=a.type)) for end in (low, high)]
            self.add(op, [a] + ends, 0.0)
        elif op.startswith("Reduce"):
            axis = self.constant(np.array([self.axis(a)], dtype=INT64))
            self.add(op, [a, axis], 0.0, keepdims=self.rng.choice([0, 1]))
        else:
            self.add(op, [a, self.partner(a)], 0.0)

    def boolean(self):
        a = self.pick(BOOL)
        op = self.rng.choice(["And", "Or", "Xor", "Not", "Where"])
        if op == "Not":
            self.add(op, [a], 0.0)
        elif op == "Where":
            x = self.pick(FLOAT, *INTS)
            y = self.partner(x)
            if not (broadcasts(a.array, x.array) and broadcasts(a.array, y.array)):
                raise Skip
            self.add(op, [a, x, y], max(np.max(x.error), np.max(y.error)))
        else:
            self.add(op, [a, self.partner(a)], 0.0)

    def compare(self):
        a = self.pick(FLOAT, *INTS)
        b = self.partner(a)
        if np.max(a.error) > 0 or np.max(b.error) > 0:
            raise Skip
        op = self.rng.choice(["Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "ArgMax", "ArgMin"])
        if op.startswith("Arg"):
            self.add(op, [a], 0.0, axis=self.axis(a), keepdims=self.rng.choice([0, 1]))
        else:
            self.add(op, [a, b], 0.0)

    def cast(self):
        a = self.pick(FLOAT, BOOL, *INTS)
        to = self.rng.choice([FLOAT, BOOL] + INTS)
        if a.type == FLOAT and to != FLOAT:
            info = (0, 1) if to == BOOL else (np.iinfo(to).min, np.iinfo(to).max)
            inside = (a.array > info[0] - 1).all() and (a.array < info[1] + 1).all()
            # Beyond the type nothing is defined.
            if np.max(a.error) > 0 or (to != BOOL and not inside):
                raise Skip
        self.add("Cast", [a], a.error if a.type == to == FLOAT else 0.0, to=CODES[to])

    def move(self):
        a = self.pick(FLOAT, BOOL, *INTS)
        worst, rank = np.max(a.error), a.array.ndim
        op = self.rng.choice(["Transpose", "Reshape", "Gather", "Concat", "Slice", "Unsqueeze", "Flatten", "Expand", "Tile"])
        number = lambda *values: self.constant(np.array(values, dtype=INT64))
        axis = self.axis(a)
        size = a.array.shape[axis]
        if op == "Transpose":
            perm = list(range(rank))
            self.rng.shuffle(perm)
            self.add(op, [a], worst, perm=perm)
        elif op == "Reshape":
            self.add(op, [a, number(*self.rng.choice([[-1], [1, -1], [-1, 1], [a.array.size, 1]]))], worst)
        elif op == "Gather":
            indices = [self.rng.randrange(-size, size) for _ in range(self.rng.randint(1, 4))]
            self.add(op, [a, number(*indices)], worst, axis=axis)
        elif op == "Concat":
            others = [v for v in self.values if v.type == a.type and v.array.shape == a.array.shape]
            b = self.rng.choice(others)
            self.add(op, [a, b], max(worst, np.max(b.error)), axis=axis)
        elif op == "Slice":
            start = self.rng.randrange(-size, size)
            step = self.rng.choice([1, 2, -1, -2, 7])
            far = np.iinfo(INT64).max if step > 0 else np.iinfo(INT64).min
            end = self.rng.choice([size if step > 0 else -size - 1, far, self.rng.randrange(-size, size)])
            self.add(op, [a, number(start), number(end), number(axis), number(step)], worst)
        elif op == "Unsqueeze":
            self.add(op, [a, number(axis)], worst)
        elif op == "Flatten":
            self.add(op, [a], worst, axis=axis)
        elif op == "Expand":
            self.add(op, [a, number(2, *[1] * rank)], worst)
        else:
            self.add(op, [a, number(*[self.rng.randint(1, 2) for _ in range(rank)])], worst)

    def model(self):
        read = {name for node in self.nodes for name in node.input}
        outputs = [v for v in self.values if v.name not in read and v not in self.inputs]
        inputs = [v for v in self.inputs if v.name in read]
        constants = [v for v in self.constants if v.name in read]
        return finished(self.nodes, inputs, constants, outputs), inputs, outputs


def broadcasts(a, b):
    try:
        np.broadcast_shapes(a.shape, b.shape)
        return True
    except ValueError:
        return False


def finished(nodes, inputs, constants, outputs):
    info = lambda v: helper.make_tensor_value_info(v.name, CODES[v.type], list(v.array.shape))
    tensors = [numpy_helper.from_array(v.array, v.name) for v in constants]
    graph = helper.make_graph(nodes, "g", [info(v) for v in inputs], [info(v) for v in outputs], tensors)
    return helper.make_model(graph, **VERSION)


def one_node(node, known):
    """What onnxruntime says of one node; it has not every operator for every type."""
    info = lambda name: helper.make_tensor_value_info(name, CODES[known[name].dtype.type], list(known[name].shape))
    names = list(dict.fromkeys(node.input))
    output = onnx.ValueInfoProto(name=node.output[0])
    graph = helper.make_graph([node], "g", [info(name) for name in names], [output])
    try:
        return reference(helper.make_model(graph, **VERSION), {name: known[name] for name in names})[0]
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):
            raise Skip from error
        raise


def reference(model, feed):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    # The definition, not what an optimiser makes of it.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feed)


def judge(seed, program, folder, prove=False):
    """Says "equal", "proven", "refused", or what differs."""
    graph = Graph(seed)
    if not graph.nodes:
        return "empty"
    model, inputs, outputs = graph.model()
    path, data = (os.path.join(folder, f"{os.getpid()}{end}") for end in (".onnx", ".json"))
    onnx.save(model, path)
    with open(data, "w") as file:
        json.dump({v.name: v.array.tolist() for v in inputs}, file)
    expected = reference(model, {v.name: v.array for v in inputs})
    ran = subprocess.run([program, "run", path, data, "--json"], capture_output=True, text=True, timeout=120)
    # Before it may stand what setup would ask for.
    errors = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    if ran.returncode == 1 and len(errors) == 1 and "internal" not in ran.stderr:
        return "refused: " + errors[0].replace(path, "").replace(data, "")[:160]
    if ran.returncode != 0:
        return f"exit code {ran.returncode}: {ran.stderr[-300:]}"
    said = json.loads(ran.stdout)["outputs"]
    if [one["name"] for one in said] != [v.name for v in outputs]:
        return f"outputs {[one['name'] for one in said]}, expected {[v.name for v in outputs]}"
    for one, value, right in zip(said, outputs, expected):
        got = np.array(one["reals"], dtype=np.float64)
        right = right.reshape(-1).astype(np.float64)
        if got.shape != right.shape:
            return f"{value.name} has {got.size} values, expected {right.size}"
        # A single is exact to 24 bits.
        allowed = np.broadcast_to(value.error, value.array.shape).reshape(-1) + np.abs(right) * 1e-5
        allowed = allowed + 1e-6 if value.type == FLOAT else 0.0
        if (np.abs(got - right) > allowed).any():
            return f"{value.name} is {got.tolist()[:16]}, expected {right.tolist()[:16]}"
    if prove:
        return proven(path, data, json.loads(ran.stdout), program, folder)
    return "equal"


def proven(path, data, said, program, folder):
    """Proves and verifies the graph, with what `zkml run` said of it. Says "proven", or what is wrong."""

    def zkml(*words):
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=1800)

    keys, proof = (os.path.join(folder, f"{os.getpid()}.{end}") for end in ("keys", "proof"))
    try:
        public = [word for name in said["needs_public"] for word in ("--public", name)]
        setup = zkml("setup", path, "--out", keys, "--allow-vanished", *public)
        if setup.returncode != 0:
            return f"setup: exit code {setup.returncode}: {setup.stderr[-300:]}"
        prove = zkml("prove", data, "--keys", keys, "--out", proof, "--json")
        if prove.returncode != 0:
            return f"prove: exit code {prove.returncode}: {prove.stderr[-300:]}"
        trust = ["--trust-srs", "development"]
        verify = zkml("verify", proof, "--keys", keys, "--input", data, *trust, "--json")
        if verify.returncode != 0:
            return f"verify: exit code {verify.returncode}: {verify.stderr[-300:]}"
        stated = [one["public"] for one in json.loads(verify.stdout)["statement"]["outputs"]]
        values = [one["values"] for one in said["outputs"]]
        return "proven" if stated == values else f"proven is {stated}, run gave {values}"
    finally:
        shutil.rmtree(keys, ignore_errors=True)
        if os.path.exists(proof):
            os.remove(proof)


def batch(arguments):
    first, count, seed, program, prove = arguments
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(first, first + count):
            try:
                found.append((index, judge(f"{seed}:{index}", program, folder, prove and index % prove == 0)))
            except Exception as error:
                found.append((index, f"{type(error).__name__}: {error}"))
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50000, help="graphs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--prove", type=int, default=0, metavar="N", help="prove and verify each Nth graph, too")
    parser.add_argument("--only", type=int, help="one graph, which is printed")
    parser.add_argument("--program", required=True, help="zkml")
    parser.add_argument("--json", action="store_true", help="end with one object")
    args = parser.parse_args()
    if args.only is not None:
        graph = Graph(f"{args.seed}:{args.only}")
        print(onnx.printer.to_text(graph.model()[0]))
        for value in graph.inputs:
            print(value.name, value.array.tolist())
        with tempfile.TemporaryDirectory() as folder:
            print(judge(f"{args.seed}:{args.only}", args.program, folder, args.prove > 0))
        return 0
    # No session of the runtime may be there when processes part.
    step = 50
    tasks = [(i, min(step, args.count - i), args.seed, args.program, args.prove) for i in range(0, args.count, step)]
    equal, made, empty, refused, differ = 0, 0, 0, {}, []
    with ProcessPoolExecutor() as pool:
        for found in pool.map(batch, tasks):
            for index, verdict in found:
                if verdict in ("equal", "proven"):
                    equal += 1
                    made += verdict == "proven"
                elif verdict == "empty":
                    empty += 1
                elif verdict.startswith("refused: "):
                    refused.setdefault(verdict, []).append(index)
                else:
                    differ.append(index)
                    print(f"graph {index}: {verdict}", file=sys.stderr)
    for verdict, indices in sorted(refused.items(), key=lambda item: -len(item[1]))[:20]:
        print(f"{len(indices)} {verdict} (such as graph {indices[0]})", file=sys.stderr)
    number = sum(map(len, refused.values()))
    graphs = args.count - empty
    if args.json:
        print(json.dumps({"graphs": graphs, "refused": number, "differ": len(differ), "proven": made}))
    else:
        print(f"{graphs} graphs: {equal} equal ({made} proven), {number} refused, {len(differ)} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
