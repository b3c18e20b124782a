/* mt19937.c - the Mersenne Twister with CPython's seeding, bounded numbers, sample and shuffle (DATASETS.md 4.3, 4.6).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "data/dataset_int.h"

#define N 624
#define M 397

static void seed_scalar(gp_mt19937 *m, uint32_t s)
{
    m->s[0] = s;
    for (uint32_t i = 1; i < N; i++) m->s[i] = 1812433253u * (m->s[i - 1] ^ (m->s[i - 1] >> 30)) + i;
    m->i = N;
}

/* Initialisation by array; the key is the seed's 32-bit words, least significant first. */
void gp_mt_seed(gp_mt19937 *m, uint64_t seed)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t len = key[1] != 0 ? 2 : 1;
    seed_scalar(m, 19650218u);
    uint32_t i = 1, j = 0;
    for (uint32_t k = 0; k < N; k++) {
        m->s[i] = (m->s[i] ^ ((m->s[i - 1] ^ (m->s[i - 1] >> 30)) * 1664525u)) + key[j] + j;
        if (++i == N) m->s[0] = m->s[N - 1], i = 1;
        if (++j == len) j = 0;
    }
    for (uint32_t k = 0; k < N - 1; k++) {
        m->s[i] = (m->s[i] ^ ((m->s[i - 1] ^ (m->s[i - 1] >> 30)) * 1566083941u)) - i;
        if (++i == N) m->s[0] = m->s[N - 1], i = 1;
    }
    m->s[0] = 0x80000000u;
}

static void refill(gp_mt19937 *m)
{
    for (uint32_t i = 0; i < N; i++) {
        uint32_t y = (m->s[i] & 0x80000000u) | (m->s[(i + 1) % N] & 0x7fffffffu);
        m->s[i] = m->s[(i + M) % N] ^ (y >> 1) ^ ((y & 1u) != 0 ? 0x9908b0dfu : 0u);
    }
    m->i = 0;
}

uint32_t gp_mt_next(gp_mt19937 *m)
{
    if (m->i >= N) refill(m);
    uint32_t y = m->s[m->i++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint32_t gp_mt_below(gp_mt19937 *m, uint32_t n)
{
    uint32_t bits = 0;
    while (bits < 32 && (n >> bits) != 0) bits++;
    if (bits == 0) return 0;
    uint32_t r;
    do r = gp_mt_next(m) >> (32 - bits);
    while (r >= n);
    return r;
}

/* The size up to which CPython copies the population instead of remembering what was taken. */
static uint64_t pool_limit(uint32_t k)
{
    uint64_t t = 21, p = 1;
    if (k <= 5) return t;
    while (p < 3 * (uint64_t)k) p *= 4;
    return t + p;
}

gopro_status gp_mt_sample(gp_mt19937 *m, uint32_t *out, uint32_t n, uint32_t k, gopro_error *err)
{
    if (k > n) return gp_fail(err, GOPRO_E_INVALID, "cannot draw %u of %u items", k, n);
    if (k == 0) return GOPRO_OK;
    if (n <= pool_limit(k)) {
        uint32_t *pool = malloc((size_t)n * sizeof *pool);
        if (!pool) return gp_fail_nomem(err, (size_t)n * sizeof *pool, "a draw");
        for (uint32_t i = 0; i < n; i++) pool[i] = i;
        for (uint32_t i = 0; i < k; i++) {
            uint32_t j = gp_mt_below(m, n - i);
            out[i] = pool[j];
            pool[j] = pool[n - i - 1];
        }
        free(pool);
        return GOPRO_OK;
    }
    uint8_t *taken = calloc(n, 1);
    if (!taken) return gp_fail_nomem(err, n, "a draw");
    for (uint32_t i = 0; i < k; i++) {
        uint32_t j;
        do j = gp_mt_below(m, n);
        while (taken[j]);
        taken[j] = 1;
        out[i] = j;
    }
    free(taken);
    return GOPRO_OK;
}

void gp_mt_shuffle(gp_mt19937 *m, uint32_t *v, uint32_t n)
{
    for (uint32_t i = n; i-- > 1;) {
        uint32_t j = gp_mt_below(m, i + 1), t = v[i];
        v[i] = v[j];
        v[j] = t;
    }
}
