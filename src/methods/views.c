/* views.c - from pixels to what a step reads: normalised features and layer statistics of every view.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "methods/methods.h"

void gp_unit(gp_real *x, const gp_kernels *k, size_t n)
{
    const double f = 1 / fmax(sqrt(k->dot(x, x, n)), 1e-12);
    for (size_t i = 0; i < n; i++) x[i] = (gp_real)(f * (double)x[i]);
}

gopro_status gp_step_features(gp_model *m, gp_arena *a, gp_view out[GP_MAX_VIEWS], const float *const pixels[GP_MAX_VIEWS], size_t B,
                              const bool stats[GP_MAX_VIEWS], gopro_error *err)
{
    const gp_clip_arch *arch = gp_model_arch(m);
    const size_t E = arch->embed, per_stat = arch->v.layers * arch->v.width, per_image = 3 * arch->image * arch->image;
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < GP_MAX_VIEWS; i++) {
        n += pixels[i] ? B : 0;
        any = any || (pixels[i] && stats[i]);
    }
    gp_real *x = gp_arena_alloc_raw(a, n * per_image, sizeof *x), *feat = gp_arena_alloc_raw(a, n * E, sizeof *feat);
    gp_real *raw = gp_arena_alloc_raw(a, n * E, sizeof *raw);
    gp_real *mu = any ? gp_arena_alloc_raw(a, n * per_stat, sizeof *mu) : NULL;
    gp_real *sigma = any ? gp_arena_alloc_raw(a, n * per_stat, sizeof *sigma) : NULL;
    if (gp_arena_failed(a)) return gp_fail_nomem(err, n * per_image * sizeof *x, "the views of a batch");
    size_t at = 0;
    for (size_t i = 0; i < GP_MAX_VIEWS; i++) {
        out[i] = (gp_view){0};
        if (!pixels[i]) continue;
        for (size_t j = 0; j < B * per_image; j++) x[at * per_image + j] = (gp_real)pixels[i][j];
        out[i] = (gp_view){.feat = feat + at * E, .raw = raw + at * E};
        if (stats[i]) {
            out[i].mu = mu + at * per_stat;
            out[i].sigma = sigma + at * per_stat;
        }
        at += B;
    }
    GP_TRY(gp_vision_fwd(m, raw, mu, sigma, x, n, err));
    memcpy(feat, raw, n * E * sizeof *feat);
    for (size_t i = 0; i < n; i++) gp_unit(feat + i * E, gp_model_compute(m)->k, E);
    return GOPRO_OK;
}

gopro_status gp_step_views(const gp_method *method, gp_model *m, gp_arena *a, gp_view out[GP_MAX_VIEWS],
                           const float *const pixels[GP_MAX_VIEWS], size_t B, const bool stats[GP_MAX_VIEWS], gopro_error *err)
{
    const size_t n = B * 3 * gp_model_arch(m)->image * gp_model_arch(m)->image;
    if (!(method->wants & GP_WANT_PIXELS)) return gp_step_features(m, a, out, pixels, B, stats, err);
    for (size_t i = 0; i < GP_MAX_VIEWS; i++) {
        out[i] = (gp_view){0};
        if (!pixels[i]) continue;
        gp_real *x = gp_arena_alloc_raw(a, n, sizeof *x);
        if (!x) return gp_fail_nomem(err, n * sizeof *x, "the views of a batch");
        for (size_t j = 0; j < n; j++) x[j] = (gp_real)pixels[i][j];
        out[i].pixels = x;
    }
    return GOPRO_OK;
}
