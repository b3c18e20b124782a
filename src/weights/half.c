/* half.c - exact conversions between float and the two 16-bit formats; to 16 bits rounds to nearest, ties to even.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "weights/safetensors.h"

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static float float_of(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

float gp_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = (h >> 10) & 31u, m = h & 0x3ffu;
    if (e == 31) return float_of(sign | 0x7f800000u | m << 13);
    if (e) return float_of(sign | (e + 112) << 23 | m << 13);
    float v = (float)m * 0x1p-24f; /* zero and subnormals: m 2^-24, exact */
    return sign ? -v : v;
}

uint16_t gp_f32_to_f16(float f)
{
    uint32_t u = bits_of(f), sign = (u >> 16) & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u) return (uint16_t)(sign | 0x7e00u | (a >> 13 & 0x1ffu)); /* NaN, made quiet */
    if (a >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);                     /* 65536 and more, and infinity */
    if (a >= 0x38800000u) {                                                      /* normal: drop 13 bits; a carry may reach infinity */
        uint32_t r = a - 0x38000000u;
        return (uint16_t)(sign | (r + 0xfffu + (r >> 13 & 1u)) >> 13);
    }
    if (a < 0x33000000u) return (uint16_t)sign; /* below 2^-25 */
    /* Subnormal: value = m 2^(e-150) in units of 2^-24. */
    uint32_t e = a >> 23, m = (a & 0x7fffffu) | 0x800000u, shift = 126 - e;
    uint32_t q = m >> shift, rest = m & ((1u << shift) - 1), half = 1u << (shift - 1);
    q += rest > half || (rest == half && (q & 1u));
    return (uint16_t)(sign | q);
}

float gp_bf16_to_f32(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t gp_f32_to_bf16(float f)
{
    uint32_t u = bits_of(f);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(u >> 16 | 0x40u); /* rounding could turn a NaN into infinity */
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}
