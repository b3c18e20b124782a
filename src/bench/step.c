/* step.c - times a training step of a method.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "bench/subject.h"
#include "methods/methods.h"

#define LEARNING_RATE 0.002

typedef struct timing {
    double *step, *images;
} timing;

/* s->B images from pixels to the update; known: what the frozen tower gave is there already. */
static gopro_status one_step(gp_subject *s, const gp_view *known, double *images_s, double *loss, gopro_error *err)
{
    const gp_tape_mark mark = gp_tape_mark_get(s->tape);
    gp_arena *a = gp_tape_arena(s->tape);
    gp_step step = gp_subject_step(s, true);
    const double start = gp_bench_seconds();
    if (known)
        for (size_t v = 0; v < GP_MAX_VIEWS; v++) step.view[v] = known[v];
    else
        GP_TRY(gp_step_views(s->method, s->model, a, step.view, s->pixels, s->B, s->stats, err));
    *images_s = gp_bench_seconds() - start;
    step.logits = gp_arena_alloc(a, s->B * s->K, sizeof *step.logits);
    if (!step.logits) return gp_fail_nomem(err, s->B * s->K * sizeof *step.logits, "the logits");
    gp_params_zero_grad(s->params);
    GP_TRY(gp_step_run(s->method, s->tape, &step, err));
    gp_sgd_step(s->params, &(gp_sgd){0.9, 5e-4}, LEARNING_RATE);
    gp_tape_pop(s->tape, mark);
    *loss = step.loss;
    return GOPRO_OK;
}

static gopro_status repeat(gp_subject *s, gp_compute *c, const gp_bench_config *b, const gp_view *known, timing *t, gp_bench_result *r,
                           const gp_log *log, gopro_error *err)
{
    double images, last;
    GP_TRY(one_step(s, known, &images, &r->loss, err));
    GP_TRY(one_step(s, known, &images, &last, err)); /* memory takes its final form after the first */
    const uint64_t macs = gp_gemm_macs(c);
    for (size_t i = 0; i < b->repeats; i++) {
        const double start = gp_bench_seconds();
        GP_TRY(one_step(s, known, &t->images[i], &last, err));
        t->step[i] = gp_bench_seconds() - start;
        gp_logf(log, GP_LOG_INFO, "step %zu of %zu: %.3f s", i + 1, b->repeats, t->step[i]);
    }
    r->gflop = 2e-9 * (double)(gp_gemm_macs(c) - macs) / (double)b->repeats;
    return GOPRO_OK;
}

static gopro_status run(gp_subject *s, gp_compute *c, const gp_bench_config *b, gp_bench_result *r, const gp_log *log, gopro_error *err)
{
    const size_t n = b->repeats;
    const bool own_tower = (s->method->wants & GP_WANT_PIXELS) != 0;
    gp_view known[GP_MAX_VIEWS];
    timing t = {calloc(n, sizeof *t.step), calloc(n, sizeof *t.images)};
    gopro_status st = t.step && t.images ? GOPRO_OK : gp_fail_nomem(err, 2 * n * sizeof *t.step, "the timings");
    if (st == GOPRO_OK && b->known_views)
        st = own_tower ? gp_fail(err, GOPRO_E_INVALID, "%s learns in the image tower: there is nothing to know of a view beforehand",
                                 s->method->title)
                       : gp_step_views(s->method, s->model, gp_tape_arena(s->tape), known, s->pixels, s->B, s->stats, err);
    if (st == GOPRO_OK) st = repeat(s, c, b, b->known_views ? known : NULL, &t, r, log, err);
    if (st == GOPRO_OK) r->images_s = own_tower || b->known_views ? 0.0 : gp_bench_median(t.images, n);
    if (st == GOPRO_OK) st = gp_bench_finish(r, t.step, n, c, b->precision, err);
    free(t.step);
    free(t.images);
    return st;
}

gopro_status gp_bench_step(gp_compute *c, const gp_bench_config *b, gp_bench_result *r, const gp_log *log, gopro_error *err)
{
    gp_subject s;
    *r = (gp_bench_result){0};
    gopro_status st = gp_subject_open(&s, c, b, err);
    if (st == GOPRO_OK && !s.method->declare)
        st = gp_fail(err, GOPRO_E_INVALID, "method '%s' trains nothing, so it has no step to time", s.method->name);
    if (st == GOPRO_OK) gp_bench_describe(r, &s);
    if (st == GOPRO_OK) st = run(&s, c, b, r, log, err);
    gp_subject_close(&s);
    return st;
}
