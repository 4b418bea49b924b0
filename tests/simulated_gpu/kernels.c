/* The kernels that the device has: what a dense layer needs, in float32.  The kernel C API.
 *
 * What is not here runs on the CPU, where soft placement allows it.  Every call is counted by op:
 * simulated_gpu_calls() tells what really ran here, which the `.device` of a graph's result does not.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "simulated_gpu.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/kernels_experimental.h"

#pragma weak TF_AssignUpdateVariable /* TensorFlow 2.20 declares it and no longer exports it */

enum { MOST_DIMENSIONS = 8, MOST_INPUTS = 2 };

/* ---- one call of a kernel -------------------------------------------------------------------- */

typedef struct {
  TF_OpKernelContext *context;
  TF_Status *status;
  TF_Tensor *inputs[MOST_INPUTS];
  TF_Tensor *output;
} Call;

static bool failed(const Call *call) { return TF_GetCode(call->status) != TF_OK; }

static Call begin(TF_OpKernelContext *context, int inputs) {
  Call call = {.context = context, .status = TF_NewStatus()};
  for (int i = 0; i < inputs && !failed(&call); i++) TF_GetInput(context, i, &call.inputs[i], call.status);
  return call;
}

static void end(Call *call) {
  if (failed(call)) TF_OpKernelContext_Failure(call->context, call->status);
  for (int i = 0; i < MOST_INPUTS; i++)
    if (call->inputs[i]) TF_DeleteTensor(call->inputs[i]);
  if (call->output) TF_DeleteTensor(call->output);
  TF_DeleteStatus(call->status);
}

static const float *input(const Call *call, int index) { return TF_TensorData(call->inputs[index]); }

/* The memory of the result; NULL where it cannot be had, and the call has failed. */
static float *output(Call *call, const int64_t *sizes, int dimensions) {
  int64_t count = 1;
  for (int d = 0; d < dimensions; d++) count *= sizes[d];
  call->output = TF_AllocateOutput(call->context, 0, TF_FLOAT, sizes, dimensions, count * sizeof(float), call->status);
  return failed(call) ? NULL : TF_TensorData(call->output);
}

static float *output_like(Call *call, const TF_Tensor *like) {
  int64_t sizes[MOST_DIMENSIONS];
  int dimensions = TF_NumDims(like);
  for (int d = 0; d < dimensions; d++) sizes[d] = TF_Dim(like, d);
  return output(call, sizes, dimensions);
}

static void refuse(Call *call, TF_Code code, const char *message) { TF_SetStatus(call->status, code, message); }

/* ---- calls by op ----------------------------------------------------------------------------- */

enum { MATMUL, ADD, MULTIPLY, BIAS_ADD, BIAS_ADD_GRAD, RELU, RELU_GRAD, ASSIGN_ADD, ASSIGN_SUB, OPS };

static const char *const OP_NAMES[OPS] = {
    "MatMul",   "AddV2",    "Mul",
    "BiasAdd",  "BiasAddGrad", "Relu",
    "ReluGrad", "AssignAddVariableOp", "AssignSubVariableOp",
};
static atomic_llong calls[OPS];

/* How often the kernel of `op` has run in this process; -1 for an op that has no kernel here. */
EXPORTED long long simulated_gpu_calls(const char *op) {
  for (int i = 0; i < OPS; i++)
    if (!strcmp(op, OP_NAMES[i])) return calls[i];
  return -1;
}

/* ---- MatMul ---------------------------------------------------------------------------------- */

typedef struct {
  TF_Bool transpose_x, transpose_y;
} MatMul;

static void *matmul_create(TF_OpKernelConstruction *construction) {
  MatMul *matmul = calloc(1, sizeof *matmul);
  TF_Status *status = TF_NewStatus();
  TF_OpKernelConstruction_GetAttrBool(construction, "transpose_a", &matmul->transpose_x, status);
  if (TF_GetCode(status) == TF_OK)
    TF_OpKernelConstruction_GetAttrBool(construction, "transpose_b", &matmul->transpose_y, status);
  if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
  TF_DeleteStatus(status);
  return matmul;
}

static void delete_kernel(void *kernel) { free(kernel); }

static void multiply(const MatMul *matmul, Call *call) {
  const TF_Tensor *x = call->inputs[0], *y = call->inputs[1];
  if (TF_NumDims(x) != 2 || TF_NumDims(y) != 2 ||
      TF_Dim(x, !matmul->transpose_x) != TF_Dim(y, matmul->transpose_y)) {
    refuse(call, TF_INVALID_ARGUMENT, "MatMul: the shapes do not fit");
    return;
  }
  Product product = {.m = TF_Dim(x, matmul->transpose_x),
                     .k = TF_Dim(x, !matmul->transpose_x),
                     .n = TF_Dim(y, !matmul->transpose_y)};
  float *z = output(call, (int64_t[]){product.m, product.n}, 2);
  if (!z) return;
  product.x = TF_TensorData(x);
  product.x_row = matmul->transpose_x ? 1 : product.k;
  product.x_column = matmul->transpose_x ? product.m : 1;
  product.y = TF_TensorData(y);
  product.y_row = matmul->transpose_y ? 1 : product.n;
  product.y_column = matmul->transpose_y ? product.k : 1;
  product.z = z;
  if (settings()->fault == FAULT_WRONG_MATMUL && product.k) product.k--;
  gemm(&product);
  if (settings()->fault == FAULT_NAN)
    for (int64_t i = 0; i < product.m * product.n; i++) z[i] = NAN;
}

static void matmul_compute(void *kernel, TF_OpKernelContext *context) {
  const MatMul *matmul = kernel;
  int64_t started = nanoseconds_now();
  Call call = begin(context, 2);
  calls[MATMUL]++;
  if (settings()->fault == FAULT_HANG)
    for (;;) pause();
  if (settings()->fault == FAULT_FIT && (matmul->transpose_x || matmul->transpose_y))
    refuse(&call, TF_INTERNAL, SIMULATED_GPU_NAME ": a transposed MatMul failed on the device");
  if (!failed(&call)) multiply(matmul, &call);
  end(&call);
  if (settings()->fault == FAULT_SLOW) be_slow(started);
}

/* ---- elementwise, with broadcasting ---------------------------------------------------------- */

typedef struct {
  int dimensions;
  int64_t sizes[MOST_DIMENSIONS], x_steps[MOST_DIMENSIONS], y_steps[MOST_DIMENSIONS];
} Broadcast;

/* The size of dimension `d`, counted from the last. */
static int64_t size_of(const TF_Tensor *tensor, int d) {
  return d < TF_NumDims(tensor) ? TF_Dim(tensor, TF_NumDims(tensor) - 1 - d) : 1;
}

static bool broadcast(const TF_Tensor *x, const TF_Tensor *y, Broadcast *shape) {
  int64_t x_step = 1, y_step = 1;
  shape->dimensions = TF_NumDims(x) > TF_NumDims(y) ? TF_NumDims(x) : TF_NumDims(y);
  if (shape->dimensions > MOST_DIMENSIONS) return false;
  for (int d = 0; d < shape->dimensions; d++) {
    int64_t x_size = size_of(x, d), y_size = size_of(y, d);
    int at = shape->dimensions - 1 - d;
    if (x_size != y_size && x_size != 1 && y_size != 1) return false;
    shape->sizes[at] = x_size == 1 ? y_size : x_size;
    shape->x_steps[at] = x_size == 1 ? 0 : x_step;
    shape->y_steps[at] = y_size == 1 ? 0 : y_step;
    x_step *= x_size;
    y_step *= y_size;
  }
  return true;
}

static void combine(int op, const Broadcast *shape, int d, const float *x, const float *y, float **z) {
  if (d == shape->dimensions) {
    *(*z)++ = op == ADD ? *x + *y : *x * *y;
    return;
  }
  int64_t size = shape->sizes[d], x_step = shape->x_steps[d], y_step = shape->y_steps[d];
  if (d + 1 < shape->dimensions) {
    for (int64_t i = 0; i < size; i++) combine(op, shape, d + 1, x + i * x_step, y + i * y_step, z);
    return;
  }
  float *to = *z;
  *z += size;
  if (op == ADD)
    for (int64_t i = 0; i < size; i++) to[i] = x[i * x_step] + y[i * y_step];
  else
    for (int64_t i = 0; i < size; i++) to[i] = x[i * x_step] * y[i * y_step];
}

static void binary(int op, TF_OpKernelContext *context) {
  Call call = begin(context, 2);
  calls[op]++;
  Broadcast shape;
  if (!failed(&call) && !broadcast(call.inputs[0], call.inputs[1], &shape))
    refuse(&call, TF_INVALID_ARGUMENT, "the shapes cannot be broadcast");
  float *z = failed(&call) ? NULL : output(&call, shape.sizes, shape.dimensions);
  if (z && TF_TensorElementCount(call.output)) combine(op, &shape, 0, input(&call, 0), input(&call, 1), &z);
  end(&call);
}
static void add_compute(void *kernel, TF_OpKernelContext *context) { binary(ADD, context); }
static void multiply_compute(void *kernel, TF_OpKernelContext *context) { binary(MULTIPLY, context); }

/* ---- what a dense layer does after its product ----------------------------------------------- */

typedef struct {
  bool channels_first;
} Bias;

static void *bias_create(TF_OpKernelConstruction *construction) {
  Bias *bias = calloc(1, sizeof *bias);
  TF_Status *status = TF_NewStatus();
  char format[8] = "";
  TF_OpKernelConstruction_GetAttrString(construction, "data_format", format, sizeof format, status);
  if (TF_GetCode(status) != TF_OK) TF_OpKernelConstruction_Failure(construction, status);
  bias->channels_first = !strncmp(format, "NC", 2);
  TF_DeleteStatus(status);
  return bias;
}

/* How a tensor lies around its channels: outer blocks of `channels` runs of `inner` elements. */
typedef struct {
  int64_t outer, channels, inner;
} Layout;

static Layout layout_of(const TF_Tensor *tensor, const Bias *bias) {
  int dimensions = TF_NumDims(tensor), at = bias->channels_first ? 1 : dimensions - 1;
  Layout layout = {1, TF_Dim(tensor, at), 1};
  for (int d = 0; d < at; d++) layout.outer *= TF_Dim(tensor, d);
  for (int d = at + 1; d < dimensions; d++) layout.inner *= TF_Dim(tensor, d);
  return layout;
}

static void bias_add_compute(void *kernel, TF_OpKernelContext *context) {
  Call call = begin(context, 2);
  calls[BIAS_ADD]++;
  if (!failed(&call) && (TF_NumDims(call.inputs[0]) < 2 || TF_NumDims(call.inputs[1]) != 1))
    refuse(&call, TF_INVALID_ARGUMENT, "BiasAdd: the shapes do not fit");
  float *z = failed(&call) ? NULL : output_like(&call, call.inputs[0]);
  if (z) {
    Layout layout = layout_of(call.inputs[0], kernel);
    const float *x = input(&call, 0), *bias = input(&call, 1);
    for (int64_t o = 0; o < layout.outer; o++)
      for (int64_t c = 0; c < layout.channels; c++)
        for (int64_t i = 0; i < layout.inner; i++) *z++ = *x++ + bias[c];
  }
  end(&call);
}

static void bias_add_grad_compute(void *kernel, TF_OpKernelContext *context) {
  Call call = begin(context, 1);
  calls[BIAS_ADD_GRAD]++;
  if (!failed(&call) && TF_NumDims(call.inputs[0]) < 2)
    refuse(&call, TF_INVALID_ARGUMENT, "BiasAddGrad: the shape does not fit");
  if (!failed(&call)) {
    Layout layout = layout_of(call.inputs[0], kernel);
    float *z = output(&call, &layout.channels, 1);
    const float *x = input(&call, 0);
    if (z) memset(z, 0, sizeof *z * layout.channels);
    for (int64_t o = 0; z && o < layout.outer; o++)
      for (int64_t c = 0; c < layout.channels; c++)
        for (int64_t i = 0; i < layout.inner; i++) z[c] += *x++;
  }
  end(&call);
}

static void relu_compute(void *kernel, TF_OpKernelContext *context) {
  Call call = begin(context, 1);
  calls[RELU]++;
  float *z = failed(&call) ? NULL : output_like(&call, call.inputs[0]);
  const float *x = z ? input(&call, 0) : NULL;
  for (int64_t i = 0; z && i < TF_TensorElementCount(call.output); i++) z[i] = x[i] < 0 ? 0 : x[i]; /* NaN stays */
  end(&call);
}

static void relu_grad_compute(void *kernel, TF_OpKernelContext *context) {
  Call call = begin(context, 2);
  calls[RELU_GRAD]++;
  float *z = failed(&call) ? NULL : output_like(&call, call.inputs[0]);
  const float *gradient = z ? input(&call, 0) : NULL, *x = z ? input(&call, 1) : NULL;
  for (int64_t i = 0; z && i < TF_TensorElementCount(call.output); i++) z[i] = x[i] > 0 ? gradient[i] : 0;
  end(&call);
}

/* ---- variables, += and -=: 2.12 needs these two on the device, later ones have default kernels - */

static void copy_variable(TF_OpKernelContext *context, TF_Tensor *from, TF_Tensor *to) {
  memcpy(TF_TensorData(to), TF_TensorData(from), TF_TensorByteSize(from));
  TF_DeleteTensor(from); /* TensorFlow leaves both tensors to this function */
  TF_DeleteTensor(to);
}

static void update_variable(TF_OpKernelContext *context, TF_Tensor *variable, TF_Tensor *by, int sign) {
  int64_t count = TF_TensorElementCount(variable);
  if (TF_TensorType(variable) == TF_FLOAT) {
    float *x = TF_TensorData(variable);
    const float *y = TF_TensorData(by);
    for (int64_t i = 0; i < count; i++) x[i] += sign * y[i];
  } else {
    int64_t *x = TF_TensorData(variable);
    const int64_t *y = TF_TensorData(by);
    for (int64_t i = 0; i < count; i++) x[i] += sign * y[i];
  }
  TF_DeleteTensor(variable);
  TF_DeleteTensor(by);
}

static void assign(int op, TF_OpKernelContext *context) {
  TF_Status *status = TF_NewStatus();
  calls[op]++;
  TF_AssignUpdateVariable(context, 0, 1, op == ASSIGN_ADD ? 1 : -1, 0, copy_variable, update_variable, status);
  TF_DeleteStatus(status); /* what failed is already said in the context */
}
static void assign_add_compute(void *kernel, TF_OpKernelContext *context) { assign(ASSIGN_ADD, context); }
static void assign_sub_compute(void *kernel, TF_OpKernelContext *context) { assign(ASSIGN_SUB, context); }

/* ---- registration ---------------------------------------------------------------------------- */

static void *nothing(TF_OpKernelConstruction *construction) { return NULL; }

static void has_kernel(int op, const char *attribute, TF_DataType type, void *(*create)(TF_OpKernelConstruction *),
                       void (*compute)(void *, TF_OpKernelContext *)) {
  TF_Status *status = TF_NewStatus();
  TF_KernelBuilder *builder = TF_NewKernelBuilder(OP_NAMES[op], "GPU", create, compute, delete_kernel);
  TF_KernelBuilder_TypeConstraint(builder, attribute, type, status);
  if (TF_GetCode(status) == TF_OK) TF_RegisterKernelBuilder(OP_NAMES[op], builder, status);
  if (TF_GetCode(status) != TF_OK) abort(); /* an op or attribute of that name is not in this TensorFlow */
  TF_DeleteStatus(status);
}

EXPORTED void TF_InitKernel(void) {
  if (settings()->fault == FAULT_NO_KERNELS) return;
  has_kernel(MATMUL, "T", TF_FLOAT, matmul_create, matmul_compute);
  has_kernel(ADD, "T", TF_FLOAT, nothing, add_compute);
  has_kernel(MULTIPLY, "T", TF_FLOAT, nothing, multiply_compute);
  has_kernel(BIAS_ADD, "T", TF_FLOAT, bias_create, bias_add_compute);
  has_kernel(BIAS_ADD_GRAD, "T", TF_FLOAT, bias_create, bias_add_grad_compute);
  has_kernel(RELU, "T", TF_FLOAT, nothing, relu_compute);
  has_kernel(RELU_GRAD, "T", TF_FLOAT, nothing, relu_grad_compute);
  if (!TF_AssignUpdateVariable) return;
  has_kernel(ASSIGN_ADD, "dtype", TF_FLOAT, nothing, assign_add_compute);
  has_kernel(ASSIGN_ADD, "dtype", TF_INT64, nothing, assign_add_compute);
  has_kernel(ASSIGN_SUB, "dtype", TF_FLOAT, nothing, assign_sub_compute);
  has_kernel(ASSIGN_SUB, "dtype", TF_INT64, nothing, assign_sub_compute);
}
