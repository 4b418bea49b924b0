"""Which kernels TensorFlow has in this process, by its own registry: the plugin's are among them.

`get_registered_kernels_for_op` is TensorFlow's own and not public, so whatever goes wrong is *not told*
(None), and never a finding.
"""


def dtypes_of(op, device="GPU"):
    """The dtypes that kernels of ``op`` take on a device type, by attribute: ``{"T": ["float", "half"]}``.

    Nothing where there is no such kernel; None where TensorFlow does not tell.
    """
    try:
        from tensorflow.core.framework import types_pb2
        from tensorflow.python.framework import kernels

        found = {}
        for kernel in kernels.get_registered_kernels_for_op(op).kernel:
            if kernel.device_type != device:
                continue
            for constraint in kernel.constraint:
                names = [types_pb2.DataType.Name(t)[3:].lower() for t in constraint.allowed_values.list.type]
                found[constraint.name] = sorted(set(found.get(constraint.name, [])) | set(names))
            found.setdefault("", [])
    except Exception:
        return None
    return found


def counts(device="GPU"):
    """How many kernels a device type has, and of how many ops; None where TensorFlow does not tell."""
    try:
        from tensorflow.python.framework import kernels

        found = [k.op for k in kernels.get_all_registered_kernels().kernel if k.device_type == device]
    except Exception:
        return None
    return {"kernels": len(found), "ops": len(set(found))}


def not_registered(op, device="GPU"):
    """What the plugin registers instead, as the end of a sentence that says that a kernel is missing."""
    found = dtypes_of(op, device)
    if found is None:
        return f"{op} is not registered for it"
    found.pop("", None)
    told = "; ".join(f"{name}: {', '.join(dtypes)}" for name, dtypes in sorted(found.items()))
    return f"{op} is not registered for it, but for {told}" if told else f"{op} is not registered at all"
