/* The matrix product, fast enough to be compared with the CPU's own.
 *
 * A healthy device should not be called slow, so this is the usual blocked product: panels of both
 * operands are copied side by side, and a tile of the result stays in registers while one panel of each
 * is read.  Rows are shared out among threads.  Sums are kept in float32, as a GPU does.
 */
#include "simulated_gpu.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __x86_64__
#define TARGET __attribute__((target("avx2,fma")))
enum { LANES = 8 }; /* floats in a register */
#else
#define TARGET
enum { LANES = 4 };
#endif

enum {
  VECTORS = 2,
  TILE_M = 6, /* rows and columns of a tile of the result: it has to fit into the registers */
  TILE_N = VECTORS * LANES,
  BLOCK_M = 96, /* rows of x, and depth of both, that are packed at a time: they have to fit into the caches */
  BLOCK_K = 256,
  MOST_THREADS = 16,
};

#define UNROLL _Pragma("GCC unroll 16") /* an array stays in registers where every index into it is a constant */

typedef float Vector __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* z[TILE_M][TILE_N] += x[depth][TILE_M] y[depth][TILE_N], both packed. */
TARGET static void vector_tile(int64_t depth, const float *x, const float *y, float *z, int64_t z_row) {
  Vector sums[TILE_M][VECTORS] = {0};
  for (int64_t l = 0; l < depth; l++, x += TILE_M, y += TILE_N)
    UNROLL for (int i = 0; i < TILE_M; i++)
      UNROLL for (int j = 0; j < VECTORS; j++) sums[i][j] += x[i] * ((const Vector *)y)[j];
  UNROLL for (int i = 0; i < TILE_M; i++)
    UNROLL for (int j = 0; j < VECTORS; j++) ((Vector *)(z + i * z_row))[j] += sums[i][j];
}

static void tile(int64_t depth, const float *x, const float *y, float *z, int64_t z_row) {
#ifdef __x86_64__ /* TensorFlow itself asks for no more than AVX */
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    for (int64_t l = 0; l < depth; l++, x += TILE_M, y += TILE_N)
      for (int i = 0; i < TILE_M; i++)
        for (int j = 0; j < TILE_N; j++) z[i * z_row + j] += x[i] * y[j];
    return;
  }
#endif
  vector_tile(depth, x, y, z, z_row);
}

/* The panels of `width` rows of x (or columns of y) by depth; what is beyond the edge is zero. */
static void pack(float *to, const float *from, int64_t count, int64_t step, int64_t depth, int64_t depth_step,
                 int width) {
  for (int64_t i = 0; i < count; i += width)
    for (int64_t l = 0; l < depth; l++)
      for (int j = 0; j < width; j++)
        *to++ = i + j < count ? from[(i + j) * step + l * depth_step] : 0;
}

/* The tile at the edge of the result, by way of a full one. */
static void edge_tile(int64_t depth, const float *x, const float *y, float *z, int64_t z_row, int64_t rows,
                      int64_t columns) {
  float full[TILE_M * TILE_N] = {0};
  tile(depth, x, y, full, TILE_N);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < columns; j++) z[i * z_row + j] += full[i * TILE_N + j];
}

typedef struct {
  const Product *product;
  const float *packed_y; /* the current depth of y, shared by all threads */
  int64_t from_k, depth;
  int64_t from_m, to_m; /* the rows of this thread */
} Share;

static void *do_share(void *argument) {
  const Share *share = argument;
  const Product *p = share->product;
  float *packed_x = malloc(sizeof(float) * (BLOCK_M + TILE_M) * BLOCK_K);
  for (int64_t row = share->from_m; row < share->to_m; row += BLOCK_M) {
    int64_t rows = least(BLOCK_M, share->to_m - row);
    pack(packed_x, p->x + row * p->x_row + share->from_k * p->x_column, rows, p->x_row, share->depth, p->x_column,
         TILE_M);
    for (int64_t j = 0; j < p->n; j += TILE_N)
      for (int64_t i = 0; i < rows; i += TILE_M) {
        const float *x = packed_x + i * share->depth, *y = share->packed_y + j * share->depth;
        float *z = p->z + (row + i) * p->n + j;
        if (rows - i >= TILE_M && p->n - j >= TILE_N)
          tile(share->depth, x, y, z, p->n);
        else
          edge_tile(share->depth, x, y, z, p->n, least(TILE_M, rows - i), least(TILE_N, p->n - j));
      }
  }
  free(packed_x);
  return NULL;
}

static int thread_count(const Product *p) {
  if (p->m * p->n * p->k < 1 << 22) return 1; /* a thread costs more than it brings */
  return least(least(sysconf(_SC_NPROCESSORS_ONLN), MOST_THREADS), (p->m + BLOCK_M - 1) / BLOCK_M);
}

void gemm(const Product *p) {
  memset(p->z, 0, sizeof(float) * p->m * p->n);
  int64_t panels = (p->n + TILE_N - 1) / TILE_N, threads = thread_count(p);
  float *packed_y = malloc(sizeof(float) * panels * TILE_N * BLOCK_K);
  for (int64_t k = 0; k < p->k; k += BLOCK_K) {
    int64_t depth = least(BLOCK_K, p->k - k);
    pack(packed_y, p->y + k * p->y_row, p->n, p->y_column, depth, p->y_row, TILE_N);
    Share shares[MOST_THREADS];
    pthread_t others[MOST_THREADS];
    bool started[MOST_THREADS] = {false};
    for (int64_t t = 0; t < threads; t++) {
      shares[t] = (Share){p, packed_y, k, depth, p->m * t / threads, p->m * (t + 1) / threads};
      started[t] = t && !pthread_create(&others[t], NULL, do_share, &shares[t]);
      if (t && !started[t]) do_share(&shares[t]);
    }
    do_share(&shares[0]);
    for (int64_t t = 1; t < threads; t++)
      if (started[t]) pthread_join(others[t], NULL);
  }
  free(packed_y);
}
