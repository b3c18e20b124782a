/* tiny_model.h - a small random CLIP for tests: every tensor perturbed, so that no gain is 1, no bias 0 and no symmetry holds.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TEST_TINY_MODEL_H
#define GP_TEST_TINY_MODEL_H

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "encoders/model.h"
#include "encoders/text.h"
#include "encoders/vision.h"

typedef struct tiny_model {
    gp_compute *c;
    gp_clip_weights *w;
    gp_model *m;
} tiny_model;

static inline gp_clip_arch tiny_arch(void)
{
    gp_clip_arch a = {.v = {.width = 24, .layers = 3, .heads = 3, .hidden = 40, .act = GP_ACT_QUICKGELU, .eps = 1e-5},
                      .t = {.width = 16, .layers = 3, .heads = 2, .hidden = 36, .act = GP_ACT_GELU, .eps = 1e-5},
                      .image = 12,
                      .patch = 4,
                      .context = 14,
                      .vocab = 40,
                      .embed = 10,
                      .sot = 38,
                      .eot = 39,
                      .mean = {0.5f, 0.5f, 0.5f},
                      .std = {0.25f, 0.25f, 0.25f}};
    return a;
}

static inline void tiny_fill(gp_real *x, size_t n, double scale, uint64_t seed)
{
    gp_rng r = gp_rng_make(seed, GP_RNG_TEST, n, 0);
    for (size_t i = 0; i < n; i++) x[i] = (gp_real)(scale * gp_rng_normal(&r));
}

static inline gopro_status tiny_perturb(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    (void)err;
    gp_rng r = gp_rng_make(*(const uint64_t *)user, GP_RNG_TEST, gp_hash_str(name), 1);
    size_t n = 1;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    for (size_t i = 0; i < n; i++) data[i] += (gp_real)(0.1 * gp_rng_normal(&r));
    return GOPRO_OK;
}

/* Failures leave t->m NULL and the message in err. */
static inline void tiny_make(tiny_model *t, const gp_clip_arch *arch, size_t threads, const char *cpu, gp_precision prec, bool trainable,
                             gopro_error *err)
{
    uint64_t seed = 11;
    memset(t, 0, sizeof *t);
    if (gp_compute_create(&t->c, threads, cpu, err) != GOPRO_OK) return;
    if (gp_clip_init(&t->w, arch, 5, err) != GOPRO_OK) return;
    if (gp_clip_visit(t->w, tiny_perturb, &seed, err) != GOPRO_OK) return;
    if (gp_model_create(&t->m, t->c, t->w, prec, trainable, err) != GOPRO_OK) t->m = NULL;
}

static inline void tiny_free(tiny_model *t)
{
    gp_model_free(&t->m);
    gp_clip_free(&t->w);
    gp_compute_free(&t->c);
}

/* A prompt "start, tokens, end" of n tokens in ids, with random tokens. */
static inline gp_prompt tiny_prompt(uint32_t *ids, size_t n, size_t name_len, const gp_clip_arch *a, uint64_t seed)
{
    gp_rng r = gp_rng_make(seed, GP_RNG_TEST, n, 2);
    for (size_t i = 0; i < n; i++) ids[i] = gp_rng_below(&r, (uint32_t)a->vocab - 2);
    ids[0] = a->sot;
    ids[n - 1] = a->eot;
    return (gp_prompt){.ids = ids, .n = n, .name_len = name_len};
}

#endif
