/* rng.h - counter-based random numbers (Philox 4x32-10): a stream is named by what it is for, not by who asked before.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_RNG_H
#define GP_RNG_H

#include "base/compiler.h"

typedef enum gp_rng_purpose {
    GP_RNG_INIT = 1,  /* epoch = hash of the tensor's name */
    GP_RNG_ORDER,     /* the permutation of an epoch */
    GP_RNG_VIEW_CROP, /* epoch, sample: the train transform */
    GP_RNG_VIEW_MOCO,
    GP_RNG_VIEW_AUGMIX,
    GP_RNG_PRETRAIN,
    GP_RNG_SPLIT,
    GP_RNG_TEST,
    GP_RNG_VIEW_SSL_A, /* the two SimCLR views of a sample */
    GP_RNG_VIEW_SSL_B,
    GP_RNG_TSNE /* the start of the principal components; which points are shown */
} gp_rng_purpose;

typedef struct gp_rng {
    uint32_t key[2], ctr[4];
    uint32_t buf[4];
    unsigned left;
} gp_rng;

gp_rng gp_rng_make(uint64_t seed, gp_rng_purpose purpose, uint64_t epoch, uint64_t sample);
uint32_t gp_rng_u32(gp_rng *r);
double gp_rng_uniform(gp_rng *r);                     /* [0, 1), 53 bits */
double gp_rng_range(gp_rng *r, double lo, double hi); /* U(lo, hi) */
uint32_t gp_rng_below(gp_rng *r, uint32_t n);         /* 0 .. n-1, unbiased; n > 0 */
double gp_rng_normal(gp_rng *r);                      /* N(0, 1) */
bool gp_rng_chance(gp_rng *r, double p);
void gp_rng_shuffle(gp_rng *r, uint32_t *v, size_t n); /* Fisher-Yates */
uint64_t gp_hash_str(const char *s);                   /* FNV-1a, for naming streams */

#endif
