/* bf16.c - conversion to bfloat16, plain, transposed and with row pairs interleaved.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fast/simd.h"
#include "kernels/fast/transpose.h"

/* Bits of bf16(x) in the low half; written without branches so that loops over it become vector code. */
static inline uint32_t bits(const float *x)
{
    uint32_t u;
    memcpy(&u, x, sizeof u);
    const uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16, nan = (u >> 16) | 0x40u;
    return (u & 0x7fffffffu) > 0x7f800000u ? nan : rounded;
}

static void convert(uint16_t *restrict y, const float *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = (uint16_t)bits(x + i);
}

#define ROWS 32 /* one cache line of the transposed matrix */

static void transpose(uint16_t *y, size_t ldy, const float *x, size_t ldx, size_t rows, size_t cols)
{
    float t[8 * ROWS];
    for (size_t r = 0; r < rows; r += ROWS)
        for (size_t c = 0; c < cols; c += 8) {
            const size_t nr = gp_min_size(ROWS, rows - r), nc = gp_min_size(8, cols - c);
            gpk_transpose(t, ROWS, x + r * ldx + c, ldx, nr, nc);
            for (size_t i = 0; i < nc; i++) convert(y + (c + i) * ldy + r, t + i * ROWS, nr);
        }
}

/* nc pairs: row 0 in the low half, row 1 in the high half. */
static void pairs(uint16_t *restrict y, const float *restrict x0, const float *restrict x1, size_t nc)
{
    for (size_t c = 0; c < nc; c++) {
        const uint32_t u = bits(x0 + c) | bits(x1 + c) << 16;
        memcpy(y + 2 * c, &u, sizeof u);
    }
}

static void pack(uint16_t *y, size_t nb, size_t rows_pad, const float *x, size_t ldx, size_t rows, size_t cols)
{
    for (size_t c = 0; c < cols; c += nb) {
        const size_t nc = gp_min_size(nb, cols - c);
        for (size_t r = 0; r < rows_pad; r += 2) {
            uint16_t *out = y + c * rows_pad + r * nb;
            if (nc < nb || r + 1 >= rows) memset(out, 0, 2 * nb * sizeof *out);
            if (r + 1 < rows) pairs(out, x + r * ldx + c, x + (r + 1) * ldx + c, nc);
            if (r + 1 == rows)
                for (size_t i = 0; i < nc; i++) out[2 * i] = (uint16_t)bits(x + r * ldx + c + i);
        }
    }
}

const gp_bf16_ops GPK_PASTE(gp_bf16, GPK_ISA) = {convert, transpose, pack};
