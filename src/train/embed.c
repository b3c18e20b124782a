/* embed.c - see embed.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/embed.h"

#include <math.h>
#include <string.h>

void gp_normalise_rows(gp_real *y, const float *x, size_t n, size_t cols)
{
    for (size_t i = 0; i < n; i++) {
        double s = 0.0;
        for (size_t c = 0; c < cols; c++) s += (double)x[i * cols + c] * (double)x[i * cols + c];
        double r = 1.0 / fmax(sqrt(s), 1e-12);
        for (size_t c = 0; c < cols; c++) y[i * cols + c] = (gp_real)((double)x[i * cols + c] * r);
    }
}

/* A copy in the tape's arena: a method reads its views there, never from a file mapping. */
static gp_real *copy(gp_arena *a, const float *x, size_t n)
{
    gp_real *y = x ? gp_arena_alloc_raw(a, n, sizeof *y) : NULL;
    for (size_t i = 0; y && i < n; i++) y[i] = (gp_real)x[i];
    return y;
}

gopro_status gp_learner_embed(gp_learner *l, gp_real *out, const float *feat, const float *mu, const float *sigma, size_t B,
                              gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(l->bb->model);
    size_t stat = a->v.layers * a->v.width;
    if (!l->method->embed || (l->method->wants & GP_WANT_PIXELS)) {
        gp_normalise_rows(out, feat, B, a->embed);
        return GOPRO_OK;
    }
    gp_tape_mark mark = gp_tape_mark_get(l->tape);
    gp_arena *mem = gp_tape_arena(l->tape);
    bool recording = gp_tape_set_recording(l->tape, false);
    gp_step s = {.setup = &l->setup, .p = l->p, .B = B, .logit_scale = l->logit_scale};
    gp_view *v = &s.view[0];
    v->feat = gp_arena_alloc_raw(mem, B * a->embed, sizeof *v->feat);
    v->raw = copy(mem, feat, B * a->embed);
    v->mu = copy(mem, mu, B * stat);
    v->sigma = copy(mem, sigma, B * stat);
    gopro_status st = GOPRO_OK;
    if (gp_arena_failed(mem)) {
        st = gp_fail_nomem(err, B * (a->embed + stat) * sizeof(gp_real), "a batch of features");
    } else {
        gp_normalise_rows(v->feat, feat, B, a->embed);
        l->method->embed(l->tape, &s, out);
        st = gp_tape_status(l->tape, err);
    }
    gp_tape_set_recording(l->tape, recording);
    gp_tape_pop(l->tape, mark);
    return st;
}
