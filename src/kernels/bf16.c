/* bf16.c - the reference conversions to bfloat16 and the choice of the fast ones.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/bf16.h"

#include "kernels/cpu.h"
#include "kernels/fast/fast.h"

static void convert(uint16_t *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) y[i] = gp_bf16_from(x[i]);
}

static void transpose(uint16_t *y, size_t ldy, const float *x, size_t ldx, size_t rows, size_t cols)
{
    for (size_t c = 0; c < cols; c++)
        for (size_t r = 0; r < rows; r++) y[c * ldy + r] = gp_bf16_from(x[r * ldx + c]);
}

static void pack(uint16_t *y, size_t nb, size_t stride, size_t fill, const float *x, size_t ldx, size_t rows, size_t cols)
{
    const size_t cols_pad = (cols + nb - 1) / nb * nb;
    for (size_t c = 0; c < cols_pad; c++)
        for (size_t r = 0; r < fill; r++)
            y[(c / nb) * stride * nb + (r / 2) * nb * 2 + (c % nb) * 2 + r % 2] =
                r < rows && c < cols ? gp_bf16_from(x[r * ldx + c]) : (uint16_t)0;
}

const gp_bf16_ops gp_bf16_ref = {convert, transpose, pack};

const gp_bf16_ops *gp_bf16_select(const char *wish)
{
#if defined(GP_HAVE_FAST) && !defined(GP_REAL_IS_DOUBLE)
    switch (gp_cpu_level_for(wish)) {
    case GP_CPU_AVX512_BF16:
        return &gp_bf16_avx512_bf16;
    case GP_CPU_AVX512:
        return &gp_bf16_avx512;
    case GP_CPU_AVX2:
        return &gp_bf16_avx2;
    default:
        break;
    }
#endif
    (void)wish;
    return &gp_bf16_ref;
}
