"""Runs the model of the LiteRT checks once: what came of it, and the ops that it was run as."""

import base64

from checklib import Failed
from litert_model_bytes import MODEL


def run(image, **options):
    """The output for *image*, and the names of the ops in the interpreter's plan.

    Raises:
        Failed: The runtime refuses: that comes from compiled code, which is another on each platform.
    """
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=base64.b64decode(MODEL), **options)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    except (RuntimeError, ValueError, MemoryError) as error:
        raise Failed(f"the runtime refuses: {type(error).__name__}: {error}") from error
    details = getattr(interpreter, "_get_ops_details", list)()  # not public: what it tells is a fact at most
    return found, [op.get("op_name", "") for op in details]
