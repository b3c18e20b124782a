/* kernels.h - every row kernel and the matrix products on one core, beside the plain reference: time, work, memory traffic.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_BENCH_KERNELS_H
#define GP_BENCH_KERNELS_H

#include "kernels/gemm.h"

typedef struct gp_bench_kernel {
    const char *name, *shape;
    double us, ref_us; /* one call; the reference's, 0 where there is none */
    double
        gflop; /* additions and multiplications of one call: an exponential counts as the 12 of its polynomial, a root or division as 1 */
    double gbyte; /* inputs read once and outputs written once */
    bool bf16;
} gp_bench_kernel;

typedef struct gp_bench_kernels {
    gp_bench_kernel *item; /* owned */
    size_t n;
    double copy_gbs; /* reading and writing memory that no cache holds: GB/s of both together */
} gp_bench_kernels;

/* Kernels of c on blocks of a ViT-B/16 step, each for about `seconds` on the calling thread. */
gopro_status gp_bench_kernels_run(gp_compute *c, double seconds, gp_bench_kernels *k, gopro_error *err);
void gp_bench_kernels_free(gp_bench_kernels *k);

#endif
