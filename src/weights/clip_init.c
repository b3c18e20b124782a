/* clip_init.c - fresh weights for pretraining (METHODS 5.4): each tensor's numbers follow from the seed and its name alone.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "base/sha256.h"
#include "weights/clip_internal.h"

typedef struct init_arg {
    gp_clip_weights *w;
    uint64_t seed;
    size_t period; /* numbers of a tensor that are drawn; the rest repeats them */
    gp_sha256 sha;
} init_arg;

static void fill_normal(gp_real *p, size_t n, gp_rng *r, double deviation, size_t period)
{
    for (size_t i = 0; i < n; i++) p[i] = i < period ? (gp_real)(deviation * gp_rng_normal(r)) : p[i - period];
}

static void fill_uniform(gp_real *p, size_t n, gp_rng *r, size_t fan_in, size_t period)
{
    double bound = 1.0 / sqrt((double)fan_in);
    for (size_t i = 0; i < n; i++) p[i] = i < period ? (gp_real)gp_rng_range(r, -bound, bound) : p[i - period];
}

static void fill_value(gp_real *p, size_t n, double v)
{
    for (size_t i = 0; i < n; i++) p[i] = (gp_real)v;
}

static void fill(gp_real *p, const gp_clip_slot *s, uint64_t seed, size_t period)
{
    gp_rng r = gp_rng_make(seed, GP_RNG_INIT, gp_hash_str(s->name), 0);
    double width = (double)s->tower->width, layers = (double)s->tower->layers;
    switch (s->role) {
    case GP_ROLE_GAIN:
        fill_value(p, s->count, 1.0);
        break;
    case GP_ROLE_BIAS_ZERO:
        fill_value(p, s->count, 0.0);
        break;
    case GP_ROLE_PATCH:
    case GP_ROLE_PATCH_BIAS:
    case GP_ROLE_BIAS_MLP:
        fill_uniform(p, s->count, &r, s->fan_in, period);
        break;
    case GP_ROLE_NORMAL_WIDTH:
        fill_normal(p, s->count, &r, 1.0 / sqrt(width), period);
        break;
    case GP_ROLE_RESIDUAL:
        fill_normal(p, s->count, &r, 1.0 / sqrt(width * 2.0 * layers), period);
        break;
    case GP_ROLE_FC1:
        fill_normal(p, s->count, &r, 1.0 / sqrt(2.0 * width), period);
        break;
    case GP_ROLE_TOKENS:
        fill_normal(p, s->count, &r, 0.02, period);
        break;
    case GP_ROLE_TEXT_POSITIONS:
        fill_normal(p, s->count, &r, 0.01, period);
        break;
    case GP_ROLE_SCALE:
        fill_value(p, s->count, log(1.0 / 0.07));
        break;
    }
}

static gopro_status init_slot(void *user, const gp_clip_slot *s, gopro_error *err)
{
    init_arg *a = user;
    if (s->optional) return GOPRO_OK; /* CLIP's patch embedding has no bias */
    if (!*s->p) *s->p = gp_clip_own(a->w, s->total, err);
    if (!*s->p) return GOPRO_E_NOMEM;
    fill(*s->p + s->offset, s, a->seed, a->period);
    gp_sha256_add(&a->sha, s->name, strlen(s->name) + 1);
    gp_sha256_add(&a->sha, *s->p + s->offset, s->count * sizeof(gp_real));
    return GOPRO_OK;
}

gopro_status gp_clip_init(gp_clip_weights **out, const gp_clip_arch *arch, uint64_t seed, gopro_error *err)
{
    return gp_clip_init_repeating(out, arch, seed, SIZE_MAX, err);
}

gopro_status gp_clip_init_repeating(gp_clip_weights **out, const gp_clip_arch *arch, uint64_t seed, size_t period, gopro_error *err)
{
    *out = NULL;
    GP_TRY(gp_clip_arch_check(arch, GOPRO_E_INVALID, "fresh weights", err));
    init_arg a = {.seed = seed, .period = period};
    GP_TRY(gp_clip_create(&a.w, arch, err));
    gp_sha256_init(&a.sha);
    gopro_status st = gp_clip_each(a.w, init_slot, &a, err);
    if (st != GOPRO_OK) {
        gp_clip_free(&a.w);
        return st;
    }
    gp_sha256_hex(&a.sha, a.w->hash);
    snprintf(a.w->path, sizeof a.w->path, "fresh weights");
    *out = a.w;
    return GOPRO_OK;
}
