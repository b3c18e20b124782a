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

/* nc pairs: row 0 in the low half, row 1 in the high half. */
static void pairs(uint32_t *restrict y, const float *restrict x0, const float *restrict x1, size_t nc)
{
    for (size_t c = 0; c < nc; c++) y[c] = bits(x0 + c) | bits(x1 + c) << 16;
}

#define ROWS 32 /* one cache line of the transposed matrix */
#define COLS 256

/* y [nc][ROWS / 2 pairs] = t [ROWS / 2 pairs][COLS]^T; moving 32 bits through float registers does not change them. */
static void transpose_pairs(uint16_t *y, size_t ldy, const uint32_t *t, size_t nc)
{
    size_t c = 0;
    for (; c + 8 <= nc; c += 8)
        for (size_t i = 0; i < ROWS / 2; i += 8) gpk_transpose_8x8_bits(y + c * ldy + 2 * i, ldy, t + i * COLS + c, COLS);
    for (; c < nc; c++)
        for (size_t i = 0; i < ROWS / 2; i++) memcpy(y + c * ldy + 2 * i, t + i * COLS + c, sizeof *t);
}

/* Whole blocks by way of pairs of rows, so that x is read along its rows and half as many elements are moved. */
static void transpose(uint16_t *y, size_t ldy, const float *x, size_t ldx, size_t rows, size_t cols)
{
    uint32_t t[ROWS / 2 * COLS];
    size_t r = 0;
    for (; r + ROWS <= rows; r += ROWS)
        for (size_t c = 0; c < cols; c += COLS) {
            const size_t nc = gp_min_size(COLS, cols - c);
            for (size_t i = 0; i < ROWS / 2; i++) {
                const float *x0 = x + (r + 2 * i) * ldx + c;
                pairs(t + i * COLS, x0, x0 + ldx, nc);
            }
            transpose_pairs(y + c * ldy + r, ldy, t, nc);
        }
    for (; r < rows; r++)
        for (size_t c = 0; c < cols; c++) y[c * ldy + r] = (uint16_t)bits(x + r * ldx + c);
}

static void pack(uint16_t *y, size_t nb, size_t stride, size_t fill, const float *x, size_t ldx, size_t rows, size_t cols)
{
    for (size_t r = 0; r < fill; r += 2)
        for (size_t c = 0; c < cols; c += nb) {
            const size_t nc = gp_min_size(nb, cols - c);
            uint16_t *out = y + c * stride + r * nb;
            if (nc < nb || r + 1 >= rows) memset(out, 0, 2 * nb * sizeof *out);
            for (size_t i = 0; r + 1 < rows && i < nc; i += COLS) {
                uint32_t t[COLS];
                const size_t n = gp_min_size(COLS, nc - i);
                pairs(t, x + r * ldx + c + i, x + (r + 1) * ldx + c + i, n);
                memcpy(out + 2 * i, t, n * sizeof *t);
            }
            if (r + 1 == rows)
                for (size_t i = 0; i < nc; i++) out[2 * i] = (uint16_t)bits(x + r * ldx + c + i);
        }
}

const gp_bf16_ops GPK_PASTE(gp_bf16, GPK_ISA) = {convert, transpose, pack};
