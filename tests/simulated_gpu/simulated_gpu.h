/* A simulated GPU for the tests: what its parts share.
 *
 * A PluggableDevice whose device memory is the host's and whose streams finish every operation before
 * they return, written against the two C APIs that tensorflow-metal uses as well: TensorFlow lists a
 * GPU, places work on it and trains on it, and none of it says anything about Metal.
 *
 *   device.c     the platform, its memory and its streams   (SE_InitPlugin)
 *   kernels.c    the few kernels that it has                (TF_InitKernel)
 *   gemm.c       the matrix product, about as fast as the CPU's own
 *   optimizer.c  the graph optimizer                        (TF_InitGraph)
 *   faults.c     how it misbehaves on purpose
 */
#ifndef SIMULATED_GPU_H
#define SIMULATED_GPU_H

#include <stdbool.h>
#include <stdint.h>

/* metalmatrix.results refuses every record in which this name occurs, in either spelling. */
#define SIMULATED_GPU_NAME "metalmatrix-simulated-gpu"
#define SIMULATED_GPU_PLATFORM "METALMATRIX_SIMULATED_GPU" /* the C API asks for capitals and underscores */

/* TensorFlow, and a test with ctypes, look for these by name; all else stays in the library. */
#define EXPORTED __attribute__((visibility("default")))

typedef enum {
  FAULT_NONE,
  FAULT_SEGV,         /* SIGSEGV while the plugin is loaded */
  FAULT_SIGILL,       /* SIGILL while the plugin is loaded */
  FAULT_INIT_ERROR,   /* SE_InitPlugin returns an error status */
  FAULT_NO_DEVICE,    /* loads, and reports no device */
  FAULT_NO_KERNELS,   /* a device without one kernel: soft placement moves everything to the CPU */
  FAULT_WRONG_MATMUL, /* MatMul leaves out the last product of each sum */
  FAULT_NAN,          /* MatMul gives NaN */
  FAULT_RELU_GRAPH,   /* in graphs, and only there, a ReLU after a bias is not applied */
  FAULT_FIT,          /* MatMul with a transposed operand fails: only gradients ask for one */
  FAULT_HANG,         /* MatMul never returns */
  FAULT_SLOW,         /* MatMul takes SLOWDOWN times its time */
} Fault;

enum { SLOWDOWN = 15 }; /* healthy it is about level with the CPU, so this is ten times slower and more */

typedef struct {
  Fault fault;
  int devices;
  int64_t memory; /* bytes, of each device */
} Settings;

/* What METALMATRIX_SIMULATED_GPU asks for; read once.  Ends the process on a word it does not know. */
const Settings *settings(void);

/* Does what a fault does that ends the process while it loads the plugin. */
void crash_if_asked(void);

/* Keeps the caller for (SLOWDOWN - 1) times the nanoseconds that have passed since `started`. */
void be_slow(int64_t started);
int64_t nanoseconds_now(void);

/* z[m][n] = x y; the strides say how to step through x by row and column, and through y. */
typedef struct {
  int64_t m, n, k;
  const float *x;
  int64_t x_row, x_column;
  const float *y;
  int64_t y_row, y_column;
  float *z;
} Product;
void gemm(const Product *product);

#endif
