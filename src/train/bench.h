/* bench.h - timing one training step of a method on random weights of any geometry, beside the GEMM peak measured in the same run.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TRAIN_BENCH_H
#define GP_TRAIN_BENCH_H

#include "base/log.h"
#include "base/options.h"
#include "kernels/gemm.h"
#include "weights/clip.h"

typedef struct gp_bench_config {
    gp_clip_arch arch;
    size_t classes, name_tokens, batch, repeats; /* repeats are timed after one warm-up step */
    gp_precision precision;
    const gp_options *options; /* which method, and its settings; those not set have the method's own defaults */
} gp_bench_config;

typedef struct gp_bench_result {
    const char *method, *title;
    double median_s, min_s, max_s; /* one step: its views through the image tower, text, losses, backward, update */
    double gflop;                  /* multiply-adds of all GEMMs of one step, times two */
    double peak_gflops;            /* GEMM peak of this run: all threads, 256 x 768 x 3072 on packed weights */
    double fraction;               /* gflop / median_s / peak_gflops */
    double rss_mib;                /* peak resident memory of the process */
    double loss;
} gp_bench_result;

gp_clip_arch gp_bench_vit_b16(void);
gopro_status gp_bench_step(gp_compute *c, const gp_bench_config *b, gp_bench_result *r, const gp_log *log, gopro_error *err);
/* Packed GEMM of rows x in -> out on every worker at once, best of `seconds`: GFLOP/s. */
gopro_status gp_bench_gemm(gp_compute *c, gp_precision prec, size_t out, size_t in, double seconds, double *gflops, gopro_error *err);

#endif
