/* transpose.h - transposing small float matrices through registers.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TRANSPOSE_H
#define GP_TRANSPOSE_H

#include "kernels/fast/simd.h"

/* a [8] becomes its transpose. */
static inline void gpk_transpose_registers(__m256 a[8])
{
    __m256 b[8];
    GPK_UNROLL for (size_t i = 0; i < 4; i++)
    {
        b[2 * i] = _mm256_unpacklo_ps(a[2 * i], a[2 * i + 1]);
        b[2 * i + 1] = _mm256_unpackhi_ps(a[2 * i], a[2 * i + 1]);
    }
    GPK_UNROLL for (size_t i = 0; i < 2; i++)
    {
        a[4 * i] = _mm256_shuffle_ps(b[4 * i], b[4 * i + 2], 0x44);
        a[4 * i + 1] = _mm256_shuffle_ps(b[4 * i], b[4 * i + 2], 0xee);
        a[4 * i + 2] = _mm256_shuffle_ps(b[4 * i + 1], b[4 * i + 3], 0x44);
        a[4 * i + 3] = _mm256_shuffle_ps(b[4 * i + 1], b[4 * i + 3], 0xee);
    }
    GPK_UNROLL for (size_t i = 0; i < 4; i++)
    {
        b[i] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x20);
        b[i + 4] = _mm256_permute2f128_ps(a[i], a[i + 4], 0x31);
    }
    GPK_UNROLL for (size_t i = 0; i < 8; i++) a[i] = b[i];
}

static inline void gpk_transpose_8x8(float *y, size_t ldy, const float *x, size_t ldx)
{
    __m256 a[8];
    GPK_UNROLL for (size_t i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(x + i * ldx);
    gpk_transpose_registers(a);
    GPK_UNROLL for (size_t i = 0; i < 8; i++) _mm256_storeu_ps(y + i * ldy, a[i]);
}

/* The same for elements of 32 bits whose meaning is not a float; the rows of y are ldy halves of 16 bits apart. */
static inline void gpk_transpose_8x8_bits(uint16_t *y, size_t ldy, const uint32_t *x, size_t ldx)
{
    __m256 a[8];
    GPK_UNROLL for (size_t i = 0; i < 8; i++) a[i] =
        _mm256_castsi256_ps(_mm256_loadu_si256((const __m256i_u *)(const void *)(x + i * ldx)));
    gpk_transpose_registers(a);
    GPK_UNROLL for (size_t i = 0; i < 8; i++) _mm256_storeu_si256((__m256i_u *)(void *)(y + i * ldy), _mm256_castps_si256(a[i]));
}

/* y [cols, ldy] = x [rows, ldx]^T */
static inline void gpk_transpose(float *y, size_t ldy, const float *x, size_t ldx, size_t rows, size_t cols)
{
    size_t r = 0;
    for (; r + 8 <= rows; r += 8) {
        size_t c = 0;
        for (; c + 8 <= cols; c += 8) gpk_transpose_8x8(y + c * ldy + r, ldy, x + r * ldx + c, ldx);
        for (; c < cols; c++)
            for (size_t i = 0; i < 8; i++) y[c * ldy + r + i] = x[(r + i) * ldx + c];
    }
    for (; r < rows; r++)
        for (size_t c = 0; c < cols; c++) y[c * ldy + r] = x[r * ldx + c];
}

#endif
