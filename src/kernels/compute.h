/* compute.h - what every numeric routine runs on: the pool, the kernel table, and scratch memory for each worker.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_COMPUTE_H
#define GP_COMPUTE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/pool.h"
#include "kernels/kernels.h"

typedef enum gp_precision { GP_F32, GP_BF16 } gp_precision; /* of GEMM inputs; everything else is gp_real */

typedef struct gp_worker gp_worker; /* one per pool thread: its oneDNN stream and scratch; see gemm.h */

typedef struct gp_compute {
    gp_pool *pool;
    const gp_kernels *k;
    gp_worker **worker; /* [gp_pool_size(pool)] */
    bool plain_gemm;    /* reference GEMM instead of oneDNN (always in the double build) */
    size_t row_unit;    /* GP_ROW_UNIT, or less where oneDNN has no AVX-512 to work with; never depends on the number of threads */
} gp_compute;

/* cpu: NULL or "ref" / "avx2" / "avx512" / "avx512_bf16" (also read from GOPRO_CPU by the caller).  "ref" also selects the plain GEMM.
 * Checks a few oneDNN products against the reference at start-up (UNSUPPORTED if they disagree). */
gopro_status gp_compute_create(gp_compute **c, size_t n_threads, const char *cpu, gopro_error *err);
void gp_compute_free(gp_compute **c);

/* Packed products pad their rows to a multiple of row_unit, so that few shapes occur, and blocks of rows end there. */
#define GP_ROW_UNIT 16

/* Work is cut into row blocks of this fixed size, never by the number of threads: results do not depend on it. */
#define GP_ROW_BLOCK 256

/* fn(arg, first_row, n_rows <= GP_ROW_BLOCK, worker) for every block of `rows` rows, in parallel. */
typedef void gp_rows_fn(void *arg, size_t first, size_t n, size_t worker);
void gp_parallel_rows(gp_compute *c, size_t rows, gp_rows_fn *fn, void *arg);

/* Scratch of a worker: n reals, 64-byte aligned, not zeroed, valid until gp_scratch_reset of the same worker (call it at the start of
 * each block function).  NULL when out of memory: the callee then records gp_compute_fail. */
gp_real *gp_scratch(gp_compute *c, size_t worker, size_t n);
void gp_scratch_reset(gp_compute *c, size_t worker);

/* Sticky failure (out of memory, a oneDNN error) inside parallel code; taken and cleared by gp_compute_check after the loop. */
void gp_compute_fail(gp_compute *c, const char *what);
gopro_status gp_compute_check(gp_compute *c, gopro_error *err);

#endif
