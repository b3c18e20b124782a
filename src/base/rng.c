/* rng.c - Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) and what is drawn from it.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"

#include <math.h>

static uint64_t mix64(uint64_t x) /* the finaliser of SplitMix64 */
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* (seed, purpose, epoch) become the key; the sample is the upper half of the counter, so samples never overlap. */
gp_rng gp_rng_make(uint64_t seed, gp_rng_purpose purpose, uint64_t epoch, uint64_t sample)
{
    uint64_t k = mix64(mix64(mix64(seed) + (uint64_t)purpose) + epoch);
    return (gp_rng){.key = {(uint32_t)k, (uint32_t)(k >> 32)}, .ctr = {0, 0, (uint32_t)sample, (uint32_t)(sample >> 32)}};
}

static void philox(uint32_t out[4], const uint32_t ctr[4], const uint32_t key[2])
{
    uint32_t c0 = ctr[0], c1 = ctr[1], c2 = ctr[2], c3 = ctr[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xd2511f53u * c0, p1 = (uint64_t)0xcd9e8d57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint32_t gp_rng_u32(gp_rng *r)
{
    if (r->left == 0) {
        philox(r->buf, r->ctr, r->key);
        if (++r->ctr[0] == 0) r->ctr[1]++;
        r->left = 4;
    }
    return r->buf[4 - r->left--];
}

double gp_rng_uniform(gp_rng *r)
{
    uint32_t hi = gp_rng_u32(r) >> 5, lo = gp_rng_u32(r) >> 6;
    return ((double)hi * 67108864.0 + (double)lo) * 0x1p-53;
}

double gp_rng_range(gp_rng *r, double lo, double hi)
{
    return lo + (hi - lo) * gp_rng_uniform(r);
}

/* Multiply and shift, rejecting the 2^32 mod n values that would favour some results. */
uint32_t gp_rng_below(gp_rng *r, uint32_t n)
{
    uint64_t m = (uint64_t)gp_rng_u32(r) * n;
    if ((uint32_t)m < n) {
        uint32_t reject = (0u - n) % n;
        while ((uint32_t)m < reject) m = (uint64_t)gp_rng_u32(r) * n;
    }
    return (uint32_t)(m >> 32);
}

double gp_rng_normal(gp_rng *r)
{
    double u = 1.0 - gp_rng_uniform(r), v = gp_rng_uniform(r); /* u in (0, 1] */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * v);
}

bool gp_rng_chance(gp_rng *r, double p)
{
    return gp_rng_uniform(r) < p;
}

void gp_rng_shuffle(gp_rng *r, uint32_t *v, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = gp_rng_below(r, (uint32_t)i);
        uint32_t t = v[i - 1];
        v[i - 1] = v[j];
        v[j] = t;
    }
}

uint64_t gp_hash_str(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *s; s++) h = (h ^ (uint8_t)*s) * 0x100000001b3u;
    return h;
}
