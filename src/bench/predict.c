/* predict.c - times the classification of a batch of images.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "bench/subject.h"
#include "methods/methods.h"

/* Text features that do not depend on the image. */
static gopro_status known_text(gp_subject *s, gopro_error *err)
{
    const size_t n = s->K * gp_model_arch(s->model)->embed;
    gp_step step = gp_subject_step(s, false);
    if (s->text || !s->method->class_features) return GOPRO_OK;
    s->text = malloc(n * sizeof *s->text);
    if (!s->text) return gp_fail_nomem(err, n * sizeof *s->text, "text features");
    return gp_step_class_features(s->method, s->tape, &step, s->text, err);
}

/* A method with a tower of its own embeds the image; the others get what the frozen tower gives. */
static gopro_status embed(gp_subject *s, gp_step *step, gp_arena *a, gopro_error *err)
{
    const bool stats[GP_MAX_VIEWS] = {s->stats[0]};
    const float *pixels[GP_MAX_VIEWS] = {s->pixels[0]};
    const size_t E = gp_model_arch(s->model)->embed;
    GP_TRY(gp_step_views(s->method, s->model, a, step->view, pixels, s->B, stats, err));
    if (!(s->method->wants & GP_WANT_PIXELS)) return GOPRO_OK;
    step->view[0].feat = gp_arena_alloc_raw(a, s->B * E, sizeof(gp_real));
    step->view[0].raw = step->view[0].feat;
    if (!step->view[0].feat) return gp_fail_nomem(err, s->B * E * sizeof(gp_real), "features");
    s->method->embed(s->tape, step, step->view[0].feat);
    GP_TRY(gp_tape_status(s->tape, err));
    for (size_t i = 0; i < s->B; i++) gp_unit(step->view[0].feat + i * E, gp_model_compute(s->model)->k, E);
    return GOPRO_OK;
}

static gopro_status one(gp_subject *s, double *images_s, gopro_error *err)
{
    const gp_tape_mark mark = gp_tape_mark_get(s->tape);
    gp_arena *a = gp_tape_arena(s->tape);
    gp_step step = gp_subject_step(s, false);
    const double start = gp_bench_seconds();
    GP_TRY(embed(s, &step, a, err));
    *images_s = gp_bench_seconds() - start;
    step.logits = gp_arena_alloc(a, s->B * s->K, sizeof *step.logits);
    if (!step.logits) return gp_fail_nomem(err, s->B * s->K * sizeof *step.logits, "the logits");
    GP_TRY(gp_step_run(s->method, s->tape, &step, err));
    gp_tape_pop(s->tape, mark);
    return GOPRO_OK;
}

static gopro_status repeat(gp_subject *s, gp_compute *c, size_t n, double *t, double *images, gp_bench_result *r, const gp_log *log,
                           gopro_error *err)
{
    GP_TRY(known_text(s, err));
    gp_tape_set_recording(s->tape, false);
    for (int i = 0; i < 2; i++) GP_TRY(one(s, images, err)); /* memory takes its final form after the first */
    const uint64_t macs = gp_gemm_macs(c);
    for (size_t i = 0; i < n; i++) {
        const double start = gp_bench_seconds();
        GP_TRY(one(s, &images[i], err));
        t[i] = gp_bench_seconds() - start;
        gp_logf(log, GP_LOG_INFO, "prediction %zu of %zu: %.3f s", i + 1, n, t[i]);
    }
    r->gflop = 2e-9 * (double)(gp_gemm_macs(c) - macs) / (double)n;
    return GOPRO_OK;
}

gopro_status gp_bench_predict(gp_compute *c, const gp_bench_config *b, gp_bench_result *r, const gp_log *log, gopro_error *err)
{
    gp_subject s;
    double *t = calloc(b->repeats, sizeof *t), *images = calloc(b->repeats, sizeof *images);
    *r = (gp_bench_result){0};
    gopro_status st = gp_subject_open(&s, c, b, err);
    if (st == GOPRO_OK && !(t && images)) st = gp_fail_nomem(err, 2 * b->repeats * sizeof *t, "the timings");
    if (st == GOPRO_OK) gp_bench_describe(r, &s);
    if (st == GOPRO_OK) st = repeat(&s, c, b->repeats, t, images, r, log, err);
    if (st == GOPRO_OK) r->images_s = gp_bench_median(images, b->repeats);
    if (st == GOPRO_OK) st = gp_bench_finish(r, t, b->repeats, c, b->precision, err);
    gp_subject_close(&s);
    free(t);
    free(images);
    return st;
}
