/* sha256.c - SHA-256 (FIPS 180-4).
 * SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotr(uint32_t x, int n)
{
    return (x >> n) | (x << (32 - n));
}

/* One block of 64 bytes. */
static void compress_plain(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], s[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | (uint32_t)p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
        uint32_t b = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
        w[i] = w[i - 16] + a + w[i - 7] + b;
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t e = rotr(s[4], 6) ^ rotr(s[4], 11) ^ rotr(s[4], 25);
        uint32_t t1 = s[7] + e + ((s[4] & s[5]) ^ (~s[4] & s[6])) + K[i] + w[i];
        uint32_t a = rotr(s[0], 2) ^ rotr(s[0], 13) ^ rotr(s[0], 22);
        uint32_t t2 = a + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        for (int j = 7; j > 0; j--) s[j] = s[j - 1];
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int j = 0; j < 8; j++) h[j] += s[j];
}

#if defined(__x86_64__)
static bool have_sha(void)
{
    unsigned a, b, c, d;
    bool sse41 = __get_cpuid(1, &a, &b, &c, &d) && (c & 1u << 19);
    return sse41 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & 1u << 29);
}

/* The same with the processor's SHA instructions, about five times as fast: weights of hundreds of megabytes are hashed at every start.
 * Each instruction does two rounds on the halves ABEF and CDGH, which then change places. */
__attribute__((target("sha,sse4.1"))) static void compress_sha(uint32_t h[8], const uint8_t *p, size_t n_blocks)
{
    const __m128i bytes = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i abef = _mm_set_epi32((int)h[0], (int)h[1], (int)h[4], (int)h[5]);
    __m128i cdgh = _mm_set_epi32((int)h[2], (int)h[3], (int)h[6], (int)h[7]);
    for (; n_blocks; n_blocks--, p += 64) {
        __m128i w[4], abef0 = abef, cdgh0 = cdgh;
        for (size_t g = 0; g < 16; g++) { /* four rounds each; w holds the last sixteen words of the message schedule */
            if (g < 4) {
                w[g] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i_u *)(p + 16 * g)), bytes);
            } else {
                __m128i last = w[(g + 3) & 3], x = _mm_sha256msg1_epu32(w[g & 3], w[(g + 1) & 3]);
                x = _mm_add_epi32(x, _mm_alignr_epi8(last, w[(g + 2) & 3], 4));
                w[g & 3] = _mm_sha256msg2_epu32(x, last);
            }
            __m128i wk = _mm_add_epi32(w[g & 3], _mm_loadu_si128((const __m128i_u *)(K + 4 * g)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
        }
        abef = _mm_add_epi32(abef, abef0);
        cdgh = _mm_add_epi32(cdgh, cdgh0);
    }
    uint32_t x[4], y[4];
    _mm_storeu_si128((__m128i_u *)x, abef);
    _mm_storeu_si128((__m128i_u *)y, cdgh);
    const uint32_t out[8] = {x[3], x[2], y[3], y[2], x[1], x[0], y[1], y[0]};
    memcpy(h, out, sizeof out);
}
#endif

static void compress(uint32_t h[8], const uint8_t *p, size_t n_blocks)
{
#if defined(__x86_64__)
    if (n_blocks > 4 && have_sha()) { /* short texts are not worth asking the processor, which is slow under virtualisation */
        compress_sha(h, p, n_blocks);
        return;
    }
#endif
    for (; n_blocks; n_blocks--, p += 64) compress_plain(h, p);
}

void gp_sha256_init(gp_sha256 *c)
{
    *c = (gp_sha256){
        .h = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
    };
}

void gp_sha256_add(gp_sha256 *c, const void *data, size_t n)
{
    const uint8_t *p = data;
    size_t have = (size_t)(c->n % 64);
    if (n == 0) return;
    c->n += n;
    if (have) {
        size_t take = gp_min_size(n, 64 - have);
        memcpy(c->buf + have, p, take);
        p += take;
        n -= take;
        if (have + take < 64) return;
        compress(c->h, c->buf, 1);
    }
    compress(c->h, p, n / 64);
    p += n / 64 * 64;
    if (n % 64) memcpy(c->buf, p, n % 64);
}

void gp_sha256_end(gp_sha256 *c, uint8_t out[32])
{
    uint64_t bits = c->n * 8;
    uint8_t pad[72] = {0x80};
    size_t have = (size_t)(c->n % 64), n = (have < 56 ? 56 : 120) - have;
    for (size_t i = 0; i < 8; i++) pad[n + i] = (uint8_t)(bits >> (56 - 8 * i));
    gp_sha256_add(c, pad, n + 8);
    for (size_t i = 0; i < 32; i++) out[i] = (uint8_t)(c->h[i / 4] >> (24 - 8 * (i % 4)));
}

void gp_sha256_hex(gp_sha256 *c, char out[65])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t raw[32];
    gp_sha256_end(c, raw);
    for (size_t i = 0; i < 64; i++) out[i] = digits[(raw[i / 2] >> (i % 2 ? 0 : 4)) & 15];
    out[64] = '\0';
}
