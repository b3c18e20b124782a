/* bench.h - timings on one machine in one run: a training step, a prediction, matrix products; each beside the GEMM peak measured with it.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_BENCH_H
#define GP_BENCH_H

#include "base/log.h"
#include "base/options.h"
#include "kernels/gemm.h"
#include "weights/clip.h"

typedef struct gp_bench_config {
    gp_clip_arch arch;                           /* of random weights */
    size_t classes, name_tokens, batch, repeats; /* repeats are timed after two for warming up */
    gp_precision precision;
    const gp_options *options;       /* which method, and its settings; those not set have the method's own defaults */
    const char *case_file, *weights; /* both or neither: the very step of a parity case (step_case.h) in place of random numbers; then
                                        arch, classes, name_tokens, batch and options are not read */
    bool known_views;                /* features and statistics of the views are there before the step, as with views.fixed */
} gp_bench_config;

typedef struct gp_bench_result {
    const char *method, *title;
    gp_clip_arch arch;
    size_t classes, batch, M;
    double median_s, min_s, max_s; /* one step: its views through the image tower, text, losses, backward, update; or one prediction */
    double images_s;    /* of median_s: the median of what the frozen image tower took; 0 where the method runs the tower itself */
    double gflop;       /* multiply-adds of all GEMMs of one step, times two */
    double peak_gflops; /* GEMM peak of this run: all threads, 256 x 768 x 3072 on packed weights */
    double fraction;    /* gflop / median_s / peak_gflops */
    double rss_mib;     /* peak resident memory of the process before the peak was measured */
    double loss;
} gp_bench_result;

gp_clip_arch gp_bench_vit_b16(void);

/* A training step: INVALID for a method that trains nothing. */
gopro_status gp_bench_step(gp_compute *c, const gp_bench_config *b, gp_bench_result *r, const gp_log *log, gopro_error *err);

/* Classifying b->batch images at once, as `predict` and `eval` do: image tower, the text tower for methods whose prompts depend on the
 * image, logits.  Text features that do not depend on the image are computed before. */
gopro_status gp_bench_predict(gp_compute *c, const gp_bench_config *b, gp_bench_result *r, const gp_log *log, gopro_error *err);

/* Packed GEMM of rows x in -> out (backward: dx = dy W) on every worker at once, best within `seconds`: GFLOP/s. */
gopro_status gp_bench_gemm(gp_compute *c, gp_precision prec, size_t out, size_t in, size_t rows, bool backward, double seconds,
                           double *gflops, gopro_error *err);

#endif
