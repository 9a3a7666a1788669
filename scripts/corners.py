"""Corners of ONNX operators, run by zkml and by onnxruntime: scripts/fuzz --corners [--only OPERATOR] [--json].

For each operator that zkml takes: empty and zero-sized operands, rank 0, negative and repeated axes, ties, infinities in
constants, -0, the largest and the least of each type. Each case is tried with all operands computed, with all but the
first known, and with all known. A case is equal (within what rounding to multiples of 1/512 allows), refused, or differs:
also where zkml has a value for what onnxruntime has none for, or an infinity, or no number.
"""

import argparse, json, os, subprocess, sys, tempfile
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import graphs

F, B, I = np.float32, np.bool_, np.int64
INTS = graphs.INTS
CODES = {**graphs.CODES, np.uint64: TensorProto.UINT64, np.float64: TensorProto.DOUBLE}
VERSION = {"opset_imports": [helper.make_opsetid("", 21)], "ir_version": 10}


def f(*values, shape=None):
    return np.array(values, dtype=F).reshape(shape if shape is not None else (len(values),))


def i(*values):
    return np.array(values, dtype=I)


def ramp(*shape, kind=F):
    count = int(np.prod(shape))
    return (np.arange(count).reshape(shape) % 7 - 3).astype(kind) if kind != B else (np.arange(count).reshape(shape) % 2 == 0)


def ends(kind):
    """Least, largest, and what is about zero."""
    if kind == B:
        return np.array([False, True, True])
    if kind == F:
        return f(-0.0, 0.5, -2.5)
    info = np.iinfo(kind)
    low, high = max(info.min, -(1 << 38)), min(info.max, (1 << 38) - 1)
    return np.array([low, high, 0, 1, max(low, -1)], dtype=kind)


CASES = []


def case(op, *operands, known=(), version=21, outputs=1, **attributes):
    """Operands that are `None` are absent; those at the places in `known` are constants in all cases."""
    CASES.append((op, operands, tuple(known), version, outputs, attributes))


SHAPES = [(), (1,), (1, 1), (3,), (2, 3, 1), (0,), (2, 0)]
UNARY = """Abs Neg Relu LeakyRelu Elu Selu Celu Exp Log Sqrt Reciprocal Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh
Atanh Sigmoid Tanh Erf Softplus Softsign HardSigmoid HardSwish Mish Gelu ThresholdedRelu Shrink Sign Floor Ceil Round
Identity Hardmax Softmax LogSoftmax IsNaN IsInf Size Shape""".split()


def unary():
    for op in UNARY:
        for shape in SHAPES:
            case(op, np.full(shape, 0.5, dtype=F))
        for x in [-0.0, 0.0, 1.0, -1.0, 1.5, 2.5, -2.5, 3.99, -4.0, 1 / 512, -1 / 512, 30.0, -30.0, 500.0, -500.0, 1e6]:
            case(op, f(x))
        for x in [np.inf, -np.inf, 1e30, -1e30, np.nan]:
            case("Add", f(0.5), f(x))
            case(op, f(x))
    for op in ["Abs", "Neg", "Sign", "Identity", "BitwiseNot"]:
        for kind in INTS:
            case(op, ends(kind))
    case("Not", ends(B))
    for op in ["Softmax", "LogSoftmax", "Hardmax"]:
        for axis in [-1, 0, -3, 2, 3]:
            case(op, f(1, 1, 0, 2, 2, -2, shape=(1, 2, 3)), axis=axis)
            case(op, f(1, 1, 0, 2, 2, -2, shape=(1, 2, 3)), axis=axis, version=11)
    for op, alpha in [("Elu", 300.0), ("LeakyRelu", -2.0), ("Celu", 0.5), ("ThresholdedRelu", -1.0), ("HardSigmoid", -0.5)]:
        case(op, ramp(5), alpha=alpha)


def binary():
    pairs = [((), (3,)), ((1,), (2, 3)), ((2, 1), (1, 3)), ((3,), ()), ((0,), (1,)), ((2, 0), (2, 1)), ((2,), (3,))]
    for op in ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"]:
        for a, b in pairs:
            case(op, np.full(a, 2.0, dtype=F), np.full(b, 0.5, dtype=F))
        for a, b in [(0.0, 0.0), (-0.0, 0.0), (1.0, 0.0), (0.0, 2.0), (0.0, -1.0), (-2.0, 3.0), (-2.0, 0.5), (2.0, -0.5), (0.0, 0.5),
                     (3.0, 9.0), (2.0, -9.0), (-2.0, -9.0), (0.0, -9.0), (3.99, 40.0), (1000.0, 1000.0)]:
            case(op, f(a), f(b))
        for b in [np.inf, -np.inf, 1e30, -1e30, np.nan]:
            case(op, f(0.5, -0.5), f(b))
            case(op, f(0.5, -0.5), f(b, 1.0))
        for kind in INTS:
            e = ends(kind)
            b = e[::-1].copy()
            if op in ("Div", "Pow"):
                b = np.where(b < 2, 3, b % 3 + 2).astype(kind)
            case(op, e, b)
    for kind in INTS:
        e = ends(kind)
        for b in [3, 1] + ([-3, -1] if np.iinfo(kind).min < 0 else []):
            for op in ["Div", "Mod"]:
                # The least by -1 overflows, which nobody defines.
                a = e[1:] if b == -1 else e
                case(op, a, np.full(a.shape, b, dtype=kind))
            case("Mod", e[1:], np.full(e[1:].shape, b, dtype=kind), fmod=1)
        for op in ["BitwiseAnd", "BitwiseOr", "BitwiseXor"]:
            case(op, e, e[::-1].copy())
        if np.iinfo(kind).min == 0:
            for direction in ["LEFT", "RIGHT"]:
                case("BitShift", e, np.full(e.shape, np.iinfo(kind).bits - 1, dtype=kind), direction=direction)
                case("BitShift", e, np.zeros(e.shape, dtype=kind), direction=direction)
        case("Pow", ends(kind)[2:], np.full(3, 2, dtype=kind))
        case("Pow", ends(kind)[3:4], f(0.5))
        case("Pow", np.array([3], dtype=kind), np.array([7], dtype=kind))
    for a, b in [(5.5, 2.0), (-5.5, 2.0), (5.5, -2.0), (-0.0, 2.0), (1.0, 0.0)]:
        case("Mod", f(a), f(b), fmod=1)
    for op in ["And", "Or", "Xor"]:
        case(op, np.array([[True], [False]]), np.array([True, False]))
        case(op, np.array(True), np.array([True, False]))
    case("Equal", ends(B), ends(B)[::-1].copy())
    for op in ["Sum", "Mean", "Max", "Min"]:
        case(op, f(1, 2))
        case(op, f(1, 2), f(3), f(0, 5, shape=(2, 1)))
    case("PRelu", ramp(2, 3), f(-1, 0, 2))
    case("PRelu", ramp(2, 3), f(0.5))
    for lo, hi in [(0.5, -0.5), (None, 0.5), (0.5, None), (None, None), (-np.inf, np.inf), (-np.inf, 1.0)]:
        bound = lambda v: None if v is None else np.array(v, dtype=F)
        case("Clip", ramp(5), bound(lo), bound(hi))
    for kind in INTS:
        info = np.iinfo(kind)
        case("Clip", ends(kind), np.array(max(info.min, -5), dtype=kind), np.array(5, dtype=kind))
        case("Clip", ends(kind), np.array(7, dtype=kind), np.array(5, dtype=kind))
    for kind in [F, B] + INTS:
        case("Where", np.array([[True], [False]]), ends(kind)[:3], ends(kind)[:3][::-1].copy())
        case("Where", np.array(True), ends(kind)[:1], ends(kind)[:3])


def casts():
    for a in [F, B] + INTS:
        for b in [F, B] + INTS:
            x = ends(a)
            if a == F and b not in (F, B):
                x = f(0.9, 2.5, 0.0, 100.0) if np.iinfo(b).min == 0 else f(-0.9, -2.5, 0.9, -0.0)
            case("Cast", x, to=CODES[b])
    case("Cast", f(300.0), to=TensorProto.UINT8)
    case("Cast", f(-1.0), to=TensorProto.UINT8)
    case("Cast", f(np.inf), to=TensorProto.INT32)


def reductions():
    ops = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare",
           "ReduceLogSum", "ReduceLogSumExp"]
    x = f(1, 2, 0.5, 3, 1, 0.25, shape=(1, 2, 3))
    for op in ops:
        for axes in [None, i(), i(0), i(-1), i(1, -1), i(2, 1), i(1, 1), i(1, -2), i(3), i(0, 1, 2)]:
            for keep in [0, 1]:
                case(op, x, axes, known=[1], keepdims=keep)
        case(op, x, i(), known=[1], noop_with_empty_axes=1)
        case(op, x, None, noop_with_empty_axes=1)
        case(op, np.array(2.0, dtype=F))
        case(op, np.array(2.0, dtype=F), i(), known=[1])
        case(op, np.zeros((2, 0), dtype=F), i(1), known=[1])
        case(op, np.zeros((2, 0), dtype=F), i(0), known=[1])
        case(op, f(-1, 1), i(0), known=[1])
        case(op, f(0, 0), i(0), known=[1])
        case(op, f(30, 30), i(0), known=[1])
        case(op, f(500, -500), i(0), known=[1])
        for kind in [np.int32, np.int64, np.int8, np.uint8]:
            # Nobody defines the size of the least, nor its square.
            case(op, ends(kind)[2 if op == "ReduceL1" else 0 :], i(0), known=[1])
            case(op, np.array([2, 3, 4], dtype=kind), i(0), known=[1])
    for op in ["ArgMax", "ArgMin"]:
        for last in [0, 1]:
            for axis in [0, -1, 1, -2]:
                case(op, f(1, 2, 2, 2, 0, 0, shape=(2, 3)), axis=axis, select_last_index=last, keepdims=last)
        case(op, np.array(2.0, dtype=F))
        case(op, np.zeros((0, 2), dtype=F), axis=1)
        case(op, np.zeros((0, 2), dtype=F), axis=0)
        for kind in INTS:
            case(op, ends(kind), axis=0)
        case(op, f(-0.0, 0.0), axis=0)
    for axis in [0, -1, 1]:
        for exclusive in [0, 1]:
            for reverse in [0, 1]:
                case("CumSum", ramp(2, 3), np.array(axis, dtype=I), known=[1], exclusive=exclusive, reverse=reverse)
    case("CumSum", ends(np.int32), np.array(0, dtype=I), known=[1])
    for largest in [0, 1]:
        for k in [1, 3, 0, 4]:
            for axis in [-1, 0]:
                x = f(1, 2, 2, 2, 0, 0, 1, 1, 1, shape=(3, 3))
                case("TopK", x, i(k), known=[1], outputs=2, axis=axis, largest=largest)
    for kind in INTS:
        case("TopK", ends(kind), i(2), known=[1], outputs=2)


def moves():
    x = ramp(2, 3, 4)
    big = np.iinfo(I)
    for starts, stops, axes, steps in [
        ([0], [2], None, None), ([1], [-1], [-1], None), ([-1], [-9], [2], [-1]), ([big.max], [big.min], [1], [-1]),
        ([0], [big.max], [1], [2]), ([3], [1], [2], [1]), ([3], [0], [2], [-2]), ([0, 0], [1, 1], [0, 0], None),
        ([0, 0], [1, 1], [0, -3], None), ([0], [1], [3], None), ([0], [1], [0], [0]), ([-100], [100], [2], [3]),
        ([5], [9], [2], None), ([0, 1], [2, 3], [2, 0], [1, 1]), ([big.min], [big.max], [1], [big.max]),
        ([2], [big.min], [1], [big.min])]:
        lists = [i(*v) if v is not None else None for v in (starts, stops, axes, steps)]
        case("Slice", x, *lists, known=[1, 2, 3, 4])
    for axis in [0, -1, 2, -3, 3]:
        case("Concat", x, x, axis=axis)
        case("Concat", x, np.zeros((2, 3, 0), dtype=F), axis=axis)
        case("Flatten", x, axis=axis)
        case("Split", ramp(4, 4, 4), outputs=2, axis=axis)
        case("Gather", x, i(-1, 0), axis=axis)
        case("Gather", x, np.array(-1, dtype=I), axis=axis)
        case("Gather", x, np.zeros((0,), dtype=I), axis=axis)
        case("Gather", x, i(4), axis=axis)
        case("Gather", x, np.array([[1], [0]], dtype=np.int32), axis=axis)
        case("Unsqueeze", x, i(axis), known=[1])
    case("Flatten", np.array(1.0, dtype=F), axis=0)
    case("Flatten", x, axis=-4)
    case("Concat", f(1), f(2), f(3), axis=0)
    case("Concat", np.array(1.0, dtype=F), axis=0)
    for lengths in [i(1, 3), i(0, 4), i(2, 1), i(-1, 5)]:
        case("Split", f(1, 2, 3, 4), lengths, known=[1], outputs=2)
    case("Split", f(1, 2, 3, 4, 5), outputs=3, num_outputs=3)
    case("Split", f(1, 2, 3, 4, 5), outputs=2, version=13)
    for axes in [None, i(0), i(-2), i(0, -2), i(1), i(2, 2), i()]:
        case("Squeeze", ramp(1, 3, 1), axes, known=[1])
    for axes in [i(0, 3), i(-1), i(3, 0), i(1, 1), i(0, -5), i(5), i()]:
        case("Unsqueeze", x, axes, known=[1])
    case("Unsqueeze", np.array(1.0, dtype=F), i(0), known=[1])
    for shape, allow in [([-1], 0), ([0, -1], 0), ([4, 0, 2], 0), ([0, 0, 0], 0), ([0, 0, 0], 1), ([-1, -1], 0), ([24, 1, -1], 0),
                         ([5, -1], 0), ([], 0), ([2, 3, 4, 1], 0), ([0, -1], 1)]:
        case("Reshape", x, i(*shape), known=[1], allowzero=allow)
    case("Reshape", np.array(1.0, dtype=F), i(), known=[1])
    case("Reshape", np.array(1.0, dtype=F), i(1, 1), known=[1])
    case("Reshape", np.zeros((0, 3), dtype=F), i(3, 0), known=[1], allowzero=1)
    for perm in [None, [2, 0, 1], [0, 1, 2], [0, 0, 1], [-1, 0, 1]]:
        case("Transpose", x, **({} if perm is None else {"perm": perm}))
    case("Transpose", np.array(1.0, dtype=F))
    for shape in [[3], [1, 1, 1], [2, 1, 6], [4], [2, 0], [5]]:
        case("Expand", f(1, 2, 3, shape=(3, 1)) if shape != [5] else f(1, 2), i(*shape), known=[1])
    case("Expand", np.array(1.0, dtype=F), i(), known=[1])
    case("Expand", np.array(1.0, dtype=F), i(2, 2), known=[1])
    for times in [[1, 1, 1], [2, 1, 3], [0, 1, 1], [1, 1]]:
        case("Tile", x, i(*times), known=[1])
    y = ramp(2, 3)
    for mode in ["constant", "reflect", "edge", "wrap"]:
        for pads in [[0, 0, 0, 0], [1, 1, 1, 1], [0, 2, 0, 2], [-1, 0, 0, 0], [0, -2, 0, 1], [0, 3, 0, 0], [0, 0, 0, -3], [1, 0, -1, 2]]:
            case("Pad", y, i(*pads), known=[1], mode=mode)
        case("Pad", y, i(1, 1), None, i(-1), known=[1, 3], mode=mode)
        case("Pad", y, i(1, 1, 1, 1), None, i(1, 1), known=[1, 3], mode=mode)
        case("Pad", f(1, shape=(1, 1)), i(0, 2, 0, 0), known=[1], mode=mode)
    for value in [f(1.5).reshape(()), f(-np.inf).reshape(()), f(1.5)]:
        case("Pad", y, i(0, 1, 0, 0), value, known=[1, 2])
    for kind in INTS:
        case("Pad", ends(kind), i(1, 0), ends(kind)[0].reshape(()), known=[1, 2])
    for k in [0, 1, -1, 9, -9]:
        for upper in [0, 1]:
            case("Trilu", ramp(3, 3), np.array(k, dtype=I), known=[1], upper=upper)
            case("Trilu", ramp(2, 2, 3), np.array(k, dtype=I), known=[1], upper=upper)
        case("EyeLike", ramp(2, 3), k=k)
    for mode in ["DCR", "CRD"]:
        case("DepthToSpace", ramp(1, 8, 1, 2), blocksize=2, mode=mode)
    case("SpaceToDepth", ramp(1, 2, 2, 4), blocksize=2)
    for size in [[1, 2], [3, 3], [4, 5], [2, 6]]:
        case("CenterCropPad", ramp(3, 4), i(*size), known=[1])
    case("CenterCropPad", ramp(3, 4), i(6), known=[1], axes=[-1])
    for lengths in [i(1, 3), i(0, 2)]:
        case("ReverseSequence", ramp(3, 2), lengths, known=[1], time_axis=0, batch_axis=1)
    for start, limit, delta in [(0, 5, 2), (5, 0, -2), (0, 0, 1), (3, 0, 1), (0, 3, -1)]:
        case("Range", *(np.array(v, dtype=I) for v in (start, limit, delta)), known=[0, 1, 2])
        case("Range", *(np.array(v / 2, dtype=F) for v in (start, limit, delta)), known=[0, 1, 2])
    for shape in [i(2, 3), i(), i(0)]:
        case("ConstantOfShape", shape, known=[0])
    case("NonZero", f(0, 1, -0.0, 2), known=[0])
    case("NonZero", np.array(1.0, dtype=F), known=[0])
    for start, end in [(0, None), (-1, None), (1, -1), (-9, 9), (2, 1)]:
        case("Shape", x, **({"start": start} if end is None else {"start": start, "end": end}))


def indexed():
    x = ramp(3, 3)
    for axis in [0, 1, -1]:
        case("GatherElements", x, np.array([[0, -1, 2]], dtype=I), axis=axis)
        case("GatherElements", x, np.array([[0], [-3], [3]], dtype=I), axis=axis)
        for reduction in ["none", "add", "mul", "max", "min"]:
            case("ScatterElements", x, np.array([[0, -1, 2]], dtype=I), f(9, 8, 7, shape=(1, 3)), axis=axis, reduction=reduction)
            case("ScatterElements", x, np.array([[1, 1, 1]], dtype=I), f(9, 8, 7, shape=(1, 3)), axis=axis, reduction=reduction)
    for indices in [[[0, 0], [-1, -1]], [[1], [-3]], [[3]], [[[0, 1]], [[1, 0]]]]:
        case("GatherND", x, np.array(indices, dtype=I))
    case("GatherND", ramp(2, 3, 2), np.array([[1], [-1]], dtype=I), batch_dims=1)
    for reduction in ["none", "add", "mul", "max", "min"]:
        case("ScatterND", x, np.array([[0], [-1]], dtype=I), ramp(2, 3), reduction=reduction)
        case("ScatterND", x, np.array([[1, 1], [1, 1]], dtype=I), f(5, 6), reduction=reduction)
        case("ScatterND", x, np.array([[3]], dtype=I), ramp(1, 3), reduction=reduction)
    for condition, axis in [([True, False, True], 0), ([False, True], 1), ([False] * 3, 0), ([True, False, True, True], None)]:
        case("Compress", x, np.array(condition), known=[1], **({} if axis is None else {"axis": axis}))
    for axis in [-1, 0, 1, -2]:
        case("OneHot", i(0, 2, -1, 5, -4), np.array(3, dtype=I), f(0, 1), known=[1], axis=axis)
        case("OneHot", f(0.9, 2, -1), np.array(3, dtype=I), f(2, 5), known=[1], axis=axis)
    case("OneHot", np.array(1, dtype=I), np.array(3, dtype=I), i(7, 9), known=[1])


def linear():
    for a, b in [((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 3), (3, 2)), ((2, 1, 3), (3, 2)), ((1, 2, 3), (2, 3, 2)),
                 ((2, 1, 2, 3), (2, 3, 1)), ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((), (3,)), ((2, 3), (2, 3)), ((1, 1), (1, 1))]:
        case("MatMul", ramp(*a), ramp(*b))
    case("MatMulInteger", np.array([[255, 0]], dtype=np.uint8), np.array([[-128], [127]], dtype=np.int8))
    case("MatMulInteger", np.array([[255, 0]], dtype=np.uint8), np.array([[255], [1]], dtype=np.uint8), np.array(255, dtype=np.uint8),
         np.array(1, dtype=np.uint8), known=[2, 3])
    for c in [None, f(1).reshape(()), f(1, 2), f(1, 2, shape=(2, 1)), f(1)]:
        case("Gemm", ramp(2, 3), ramp(3, 2), c, alpha=0.5, beta=2.0)
    case("Gemm", ramp(3, 2), ramp(2, 3), f(1, 2), transA=1, transB=1, alpha=0.0)
    for equation, shapes in [("i,j->ij", [(2,), (3,)]), ("ii->i", [(3, 3)]), ("ii->", [(3, 3)]), ("ij->ji", [(2, 3)]), ("...i,...i->...", [(2, 3), (3,)]),
                             ("ij,jk", [(2, 3), (3, 2)]), ("i->", [(3,)]), ("ij,ij->", [(2, 2), (2, 2)]), ("...ij->...ji", [(1, 2, 3)]), ("b i , i -> b", [(2, 3), (3,)]),
                             ("i,i", [(3,), (1,)])]:
        case("Einsum", *(ramp(*s) for s in shapes), equation=equation)


def windows():
    x, w = ramp(1, 2, 4, 5), ramp(2, 2, 2, 2)
    for attributes in [{}, {"pads": [1, 0, 0, 1]}, {"strides": [2, 3]}, {"dilations": [2, 1]}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"},
                       {"auto_pad": "VALID"}, {"strides": [5, 5]}, {"pads": [3, 3, 3, 3]}]:
        case("Conv", x, w, **attributes)
        case("Conv", x, w, f(1, -1), **attributes)
        case("Conv", x, ramp(4, 1, 2, 2), group=2, **attributes)
        transposed = {k: v for k, v in attributes.items() if k != "pads" or max(v) < 2}
        case("ConvTranspose", x, w, **transposed)
        case("MaxPool", x, kernel_shape=[2, 2], **attributes)
        case("MaxPool", x, kernel_shape=[2, 2], outputs=2, **attributes)
        case("MaxPool", x, kernel_shape=[3, 2], ceil_mode=1, **attributes)
        for include in [0, 1]:
            case("AveragePool", x, kernel_shape=[3, 2], count_include_pad=include, **attributes)
            case("AveragePool", x, kernel_shape=[2, 2], count_include_pad=include, ceil_mode=1, **{"strides": [2, 2], **attributes})
        case("LpPool", x, kernel_shape=[2, 2], p=2, **attributes)
    for p in [1, 2, 3]:
        case("LpPool", x, kernel_shape=[2, 2], p=p)
        case("GlobalLpPool", x, p=p)
    case("ConvTranspose", x, w, output_padding=[1, 0], strides=[2, 2])
    case("ConvTranspose", x, w, output_shape=[9, 10], strides=[2, 2])
    case("Conv", ramp(2, 1, 5), ramp(3, 1, 2))
    case("Conv", ramp(1, 1, 2, 3, 2), ramp(1, 1, 2, 2, 1))
    case("ConvInteger", np.array([[[[255, 0], [1, 2]]]], dtype=np.uint8), np.array([[[[255]]]], dtype=np.uint8), np.array(128, dtype=np.uint8), known=[2])
    for op in ["GlobalAveragePool", "GlobalMaxPool"]:
        case(op, x)
        case(op, ramp(1, 2, 3))
    for kind in [np.int8, np.uint8]:
        case("MaxPool", np.array([[[np.iinfo(kind).min, np.iinfo(kind).max, 3]]], dtype=kind), kernel_shape=[2], pads=[1, 1])
    for mode in ["nearest", "linear", "cubic"]:
        for where in ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]:
            for scales in [[1, 1, 2, 2], [1, 1, 0.5, 0.6], [1, 1, 1, 1], [1, 1, 3, 0.4]]:
                case("Resize", x, None, f(*scales), known=[2], mode=mode, coordinate_transformation_mode=where)
    for nearest in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]:
        case("Resize", x, None, None, i(1, 2, 7, 3), known=[3], nearest_mode=nearest)


def normal():
    x = ramp(2, 4, 3)
    for axis in [-1, 1, 2, 0, -3]:
        size = x.shape[axis:] if axis else x.shape
        case("LayerNormalization", x, np.ones(size, dtype=F), np.zeros(size, dtype=F), axis=axis)
        for p in [1, 2]:
            case("LpNormalization", x, axis=axis, p=p)
            case("LpNormalization", np.zeros((2, 2, 2), dtype=F), axis=axis, p=p)
    case("LayerNormalization", np.ones((2, 3), dtype=F), np.ones(3, dtype=F))
    case("InstanceNormalization", x, np.ones(4, dtype=F), np.zeros(4, dtype=F))
    case("GroupNormalization", x, np.ones(4, dtype=F), np.zeros(4, dtype=F), num_groups=2)
    case("BatchNormalization", x, f(1, 2, 3, 4), f(0, 1, 0, 1), f(0, 0, 1, 1), f(1, 1, 4, 0))
    case("MeanVarianceNormalization", ramp(2, 3, 2, 2))
    for size in [1, 2, 3, 5]:
        case("LRN", ramp(1, 4, 2, 2), size=size, alpha=1.0, beta=0.5, bias=1.0)
    for kind in [np.int8, np.uint8]:
        zero = np.array(3, dtype=kind)
        for x in [f(0.25, 0.75, -0.25, 1.25), f(3.9, -3.9, 0, -0.0), f(1000, -1000)]:
            case("QuantizeLinear", x, np.array(0.5, dtype=F), zero, known=[1, 2])
            case("QuantizeLinear", x, np.array(1 / 64, dtype=F), zero, known=[1, 2])
        case("QuantizeLinear", f(1, 2, shape=(1, 2)), f(0.5, 0.25), np.array([0, 1], dtype=kind), known=[1, 2], axis=1)
        case("DequantizeLinear", ends(kind), np.array(0.5, dtype=F), zero, known=[1, 2])
        case("DequantizeLinear", ends(kind)[:2].reshape(1, 2), f(0.5, 0.25), np.array([0, 1], dtype=kind), known=[1, 2], axis=-1)
    targets = i(0, 2)
    scores = ramp(2, 3)
    for reduction in ["none", "sum", "mean"]:
        for op in ["NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"]:
            case(op, scores, targets, reduction=reduction)
            case(op, scores, targets, f(1, 2, 3), reduction=reduction, ignore_index=2)
            case(op, scores, i(0, 3), reduction=reduction)


def masks():
    x = f(0.5, -1, 2, 1, 0, 3, shape=(2, 3))
    for low in [-np.inf, -1e30, -1e10, -1e9, -1e4]:
        mask = f(0, low, 0, low, 0, low, shape=(2, 3))
        for op in ["Softmax", "Relu", "Exp", "Sigmoid", "Tanh", "LogSoftmax", "Identity", "ReduceMax", "Abs", "Neg"]:
            CASES.append(((("Add", "s"), (op, "y")), (x, mask), (1,), 21, 1, {}))
        # Of a row that is masked in whole singles keep the mask alone where it is large.
        if low not in (-1e9, -1e10):
            whole = f(low, low, low, low, 0, low, shape=(2, 3))
            CASES.append(((("Add", "s"), ("Softmax", "y")), (x, whole), (1,), 21, 1, {}))
        case("Max", x, mask, known=[1])
        case("Min", x, mask, known=[1])
        case("Less", x, mask, known=[1])
        case("Greater", x, mask, known=[1])
        case("Where", np.array([[True, False, True]]), x, f(low), known=[2])


for make in [unary, binary, casts, reductions, moves, indexed, linear, windows, normal, masks]:
    make()


def model_of(entry, computed):
    """The case's model: operands at places in `computed` are inputs, the others constants. With none, one input is passed on."""
    op, operands, _, version, outputs, attributes = entry
    names = ["" if v is None else f"a{at}" for at, v in enumerate(operands)]
    while names and not names[-1]:
        names.pop()
    results = ["y"] + [f"y{n}" for n in range(1, outputs)]
    if isinstance(op, tuple):
        (first, middle), (second, last) = op
        nodes = [helper.make_node(first, names, [middle]), helper.make_node(second, [middle], [last], **attributes)]
    else:
        nodes = [helper.make_node(op, names, results, name="n", **attributes)]
    info = lambda name, v: helper.make_tensor_value_info(name, CODES[v.dtype.type], list(v.shape))
    inputs = [info(names[at], operands[at]) for at in computed]
    constants = [numpy_helper.from_array(v, f"a{at}") for at, v in enumerate(operands) if v is not None and at not in computed]
    feed = {names[at]: operands[at] for at in computed}
    if not computed:
        nodes.append(helper.make_node("Identity", ["u"], ["v"]))
        feed["u"] = f(0.5)
        inputs.append(info("u", feed["u"]))
        results = results + ["v"]
    declared = [onnx.ValueInfoProto(name=name) for name in results]
    graph = helper.make_graph(nodes, "g", inputs, declared, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10), feed


def expected(model, feed):
    """What onnxruntime says; the definition's own program where it has no kernel; else what is wrong."""
    try:
        return graphs.reference(model, feed), None
    except Exception as error:
        text = str(error)
        if "Type Error: Type" in text:
            return None, "invalid"
        if "NOT_IMPLEMENTED" not in text and "Could not find an implementation" not in text:
            return None, text.splitlines()[0][:160]
    try:
        return ReferenceEvaluator(model).run(None, feed), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}".splitlines()[0][:160]


def ranges(feed):
    for name, value in feed.items():
        if value.dtype == np.bool_ or not value.size:
            continue
        low, high = float(value.min()), float(value.max())
        if not np.isfinite([low, high]).all():
            continue
        low, high = (min(low, -4.0), max(high, 4.0)) if value.dtype == F else (int(low), max(int(high), int(low) + 1))
        yield from ["--input-range", f"{name}={low},{high}"]


def judge(entry, computed, program, folder):
    model, feed = model_of(entry, computed)
    right, error = expected(model, feed)
    if error == "invalid":
        return "invalid: no operand of the operator has this type"
    path, data = (os.path.join(folder, f"{os.getpid()}{end}") for end in (".onnx", ".json"))
    onnx.save(model, path)
    if any(not np.isfinite(v).all() for v in feed.values() if v.dtype == F):
        return "refused: no input is infinite"
    with open(data, "w") as file:
        json.dump({name: v.tolist() for name, v in feed.items()}, file)
    ran = subprocess.run([program, "run", path, data, "--json", *ranges(feed)], capture_output=True, text=True, timeout=120)
    # Before it may stand what setup would ask for.
    errors = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    if ran.returncode == 1 and len(errors) == 1 and "internal" not in ran.stderr:
        return "refused: " + errors[0].replace(path, "").replace(data, "")[:200]
    if ran.returncode != 0:
        return f"differs: exit code {ran.returncode}: {ran.stderr[-300:]}"
    said = json.loads(ran.stdout)["outputs"]
    if right is None:
        return f"differs: {[one['reals'][:8] for one in said]}, expected an error ({error})"
    if len(said) != len(right):
        return f"differs: {len(said)} outputs, expected {len(right)}"
    for one, value in zip(said, right):
        got, value = np.array(one["reals"], dtype=np.float64), np.asarray(value)
        real = value.dtype.kind == "f"
        flat = value.reshape(-1).astype(np.float64)
        # Without a batch of one, as it says them.
        shape = [1] if value.ndim == 0 else list(value.shape)[value.ndim > 1 and value.shape[0] == 1 :]
        if list(one["shape"]) != shape or got.shape != flat.shape:
            return f"differs: shape {one.get('shape')} and {got.size} values, expected {list(value.shape)}"
        if not np.isfinite(flat).all():
            return f"differs: {got.tolist()[:8]}, expected {flat.tolist()[:8]}"
        allowed = 16 / 512 * (1 + np.abs(flat)) + np.abs(flat) / 256 if real else 0.0
        if (np.abs(got - flat) > allowed).any():
            return f"differs: {got.tolist()[:8]}, expected {flat.tolist()[:8]}"
    return "equal"


def batch(arguments):
    tries, program = arguments
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for at, computed in tries:
            try:
                found.append((at, computed, judge(CASES[at], computed, program, folder)))
            except Exception as error:
                found.append((at, computed, f"differs: {type(error).__name__}: {error}"))
    return found


def told(at, computed):
    op, operands, _, version, _, attributes = CASES[at]
    show = lambda v: "-" if v is None else f"{v.dtype}{list(v.shape)}{np.array2string(v.reshape(-1)[:6], separator=',', max_line_width=999)}"
    parts = [("input " if n in computed else "") + show(v) for n, v in enumerate(operands)]
    name = op if isinstance(op, str) else " then ".join(one for one, _ in op)
    return f"{at} {name}({', '.join(parts)}) {attributes or ''}{'' if version == 21 else f' of set {version}'}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="cases of one operator, or one number")
    parser.add_argument("--program", required=True, help="zkml")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--refused", action="store_true", help="list what is refused as well")
    parser.add_argument("--json", action="store_true", help="end with one object")
    args = parser.parse_args()
    tries = []
    for at, (op, operands, known, *_) in enumerate(CASES):
        names = [op] if isinstance(op, str) else [one for one, _ in op]
        if args.only and args.only != str(at) and args.only not in names:
            continue
        free = [n for n, v in enumerate(operands) if v is not None and n not in known]
        for computed in {tuple(free), tuple(free[:1]), ()}:
            tries.append((at, computed))
    chunks = [(tries[n : n + 40], args.program) for n in range(0, len(tries), 40)]
    counts = {"equal": 0, "refused": 0, "invalid": 0, "differs": 0}
    with ProcessPoolExecutor(args.jobs) as pool:
        for found in pool.map(batch, chunks):
            for at, computed, outcome in found:
                kind = outcome.split(":")[0]
                counts[kind] += 1
                if kind == "differs" or (args.refused and kind == "refused"):
                    print(f"{told(at, computed)}: {outcome}", flush=True)
    print(f"{sum(counts.values())} cases: {counts['equal']} equal, {counts['refused']} refused, {counts['invalid']} of types that the operator has not, {counts['differs']} differ")
    if args.json:
        print(json.dumps({"cases": sum(counts.values()), "refused": counts["refused"], "differ": counts["differs"]}))
    return 1 if counts["differs"] else 0


if __name__ == "__main__":
    sys.exit(main())
