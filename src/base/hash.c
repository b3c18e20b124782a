/* hash.c - see hash.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t rotl(uint64_t x, int b)
{
    return x << b | x >> (64 - b);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);
    v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);
}

static inline void take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t gp_siphash(const uint64_t key[2], const void *data, size_t n)
{
    const uint8_t *p = data;
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    uint64_t word = 0;
    for (size_t i = 0; i + 8 <= n; i += 8) {
        memcpy(&word, p + i, sizeof word); /* little-endian, as every processor the program is built for */
        take(v, word);
    }
    word = (uint64_t)n << 56;
    for (size_t i = 0; i < n % 8; i++) word |= (uint64_t)p[n - n % 8 + i] << 8 * i;
    take(v, word);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t own_key[2];
static pthread_once_t drawn = PTHREAD_ONCE_INIT;

static void draw_key(void)
{
    struct timespec now = {0};
    if (getrandom(own_key, sizeof own_key, 0) == (ssize_t)sizeof own_key) return;
    clock_gettime(CLOCK_MONOTONIC, &now); /* a system without: worse than random, better than known */
    own_key[0] = (uint64_t)now.tv_nsec << 32 ^ (uint64_t)now.tv_sec;
    own_key[1] = (uint64_t)getpid() * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)&now;
}

uint64_t gp_hash(const void *data, size_t n)
{
    pthread_once(&drawn, draw_key);
    return gp_siphash(own_key, data, n);
}
