/* subject.h - what a benchmark runs: a method on a model with prompts and a batch, of random numbers or of a parity case.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_BENCH_SUBJECT_H
#define GP_BENCH_SUBJECT_H

#include "bench/bench.h"
#include "methods/method.h"

typedef struct gp_subject {
    const gp_method *method;
    gp_model *model;
    gp_params *params; /* NULL or empty if the method learns nothing */
    gp_text_plan *plan;
    gp_tape *tape;
    gp_setup setup;
    size_t K, B;
    const uint32_t *label;             /* [B] */
    const float *pixels[GP_MAX_VIEWS]; /* [B, 3, image, image]; NULL: the view is not needed */
    bool stats[GP_MAX_VIEWS];
    gp_real *text; /* [K, E] features of hand-written prompts, or NULL */
    void *own;     /* memory behind the above */
} gp_subject;

/* A step or prediction of all its images with everything but the views filled in. */
gp_step gp_subject_step(const gp_subject *s, bool training);

gopro_status gp_subject_open(gp_subject *s, gp_compute *c, const gp_bench_config *b, gopro_error *err);
void gp_subject_close(gp_subject *s);

/* A clock that does not jump. */
double gp_bench_seconds(void);
double gp_bench_median(double *t, size_t n); /* sorts t */
/* Sorts t [n] and fills median, least and greatest, the peak memory so far, then the GEMM peak and the share of it. */
gopro_status gp_bench_finish(gp_bench_result *r, double *t, size_t n, gp_compute *c, gp_precision prec, gopro_error *err);
void gp_bench_describe(gp_bench_result *r, const gp_subject *s);

#endif
