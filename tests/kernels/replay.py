"""A script for an environment with TensorFlow: registers a plugin's kernels through its own C API.

``python replay.py KERNELS.json`` takes a list of kernels, and prints how many kernels for ``GPU``
TensorFlow's registry had before and has after, and each error that it raised.
"""

# It runs in that environment, whose TensorFlow has no types.
# mypy: ignore-errors

import ctypes
import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.python.framework import kernels as registry

CALLBACK = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
COMPUTE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
DELETE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def library():
    """The library of TensorFlow that has the C API."""
    folder = Path(tf.__file__).parent
    for name in (
        "libtensorflow_framework.so.2",
        "libtensorflow_cc.so.2",
        "python/_pywrap_tensorflow_internal.so",
    ):
        if (folder / name).exists():
            found = ctypes.CDLL(str(folder / name))
            if hasattr(found, "TF_NewKernelBuilder"):
                return found
    raise SystemExit("TensorFlow has no C API for kernels")


def count():
    return sum(kernel.device_type == "GPU" for kernel in registry.get_all_registered_kernels().kernel)


def main():
    api = library()
    api.TF_NewKernelBuilder.restype = api.TF_NewStatus.restype = ctypes.c_void_p
    api.TF_Message.restype = ctypes.c_char_p
    keep = [CALLBACK(lambda _: None), COMPUTE(lambda *_: None), DELETE(lambda _: None)]
    status = ctypes.c_void_p(api.TF_NewStatus())
    before = count()
    errors = []
    for kernel in json.loads(Path(sys.argv[1]).read_text()):
        op = kernel["op"].encode()
        builder = ctypes.c_void_p(api.TF_NewKernelBuilder(op, kernel["device"].encode(), *keep))
        for attribute, dtype in kernel["dtypes"]:
            number = types_pb2.DataType.Value("DT_" + dtype)
            api.TF_KernelBuilder_TypeConstraint(builder, attribute.encode(), number, status)
            if api.TF_GetCode(status):
                errors.append([kernel["op"], api.TF_Message(status).decode()])
        for argument in kernel["host"]:
            api.TF_KernelBuilder_HostMemory(builder, argument.encode())
        api.TF_RegisterKernelBuilder(op + b"Replayed", builder, status)
        if api.TF_GetCode(status):
            errors.append([kernel["op"], api.TF_Message(status).decode()])
    print(json.dumps({"before": before, "after": count(), "errors": errors}))
    sys.stdout.flush()
    os._exit(0)  # what was registered has no code behind it


main()
