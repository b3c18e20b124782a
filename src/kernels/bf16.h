/* bf16.h - conversion of float matrices to bfloat16, rounding to nearest even.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_BF16_H
#define GP_BF16_H

#include <string.h>

#include "base/compiler.h"

typedef struct gp_bf16_ops {
    /* y[i] = bf16(x[i]) */
    void (*convert)(uint16_t *y, const float *x, size_t n);
    /* y [cols, ldy] = bf16(x [rows, ldx])^T; rows and cols need not be multiples of anything */
    void (*transpose)(uint16_t *y, size_t ldy, const float *x, size_t ldx, size_t rows, size_t cols);
    /* Row pairs interleaved, in column blocks of nb (a multiple of 16) that are `stride` rows (an even number) long:
     * y[c / nb][r / 2][c % nb][r % 2] = bf16(x[r][c]) for r < fill (even, at least rows), zero outside x. */
    void (*pack)(uint16_t *y, size_t nb, size_t stride, size_t fill, const float *x, size_t ldx, size_t rows, size_t cols);
} gp_bf16_ops;

extern const gp_bf16_ops gp_bf16_ref;
const gp_bf16_ops *gp_bf16_select(const char *wish);

static inline uint16_t gp_bf16_from(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u) return (uint16_t)((u >> 16) | 0x40u); /* NaN stays NaN */
    return (uint16_t)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

static inline float gp_bf16_to(uint16_t b)
{
    const uint32_t u = (uint32_t)b << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

#endif
