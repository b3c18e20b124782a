/* table.c - the table of reference kernels and the choice among the tables.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu.h"
#include "kernels/fast/fast.h"
#include "kernels/ref/ref.h"

const gp_kernels gp_kernels_ref = {
    .name = "ref",
    .layernorm_fwd = gpk_layernorm_fwd_ref,
    .layernorm_bwd = gpk_layernorm_bwd_ref,
    .act_fwd = {[GP_ACT_QUICKGELU] = gpk_quickgelu_fwd_ref, [GP_ACT_GELU] = gpk_gelu_fwd_ref},
    .act_bwd = {[GP_ACT_QUICKGELU] = gpk_quickgelu_bwd_ref, [GP_ACT_GELU] = gpk_gelu_bwd_ref},
    .attention_fwd = gpk_attention_fwd_ref,
    .attention_bwd = gpk_attention_bwd_ref,
    .layernorm_half = gpk_layernorm_half_ref,
    .act_half = {[GP_ACT_QUICKGELU] = gpk_quickgelu_half_ref, [GP_ACT_GELU] = gpk_gelu_half_ref},
    .act_bwd_half = {[GP_ACT_QUICKGELU] = gpk_quickgelu_bwd_half_ref, [GP_ACT_GELU] = gpk_gelu_bwd_half_ref},
    .attention_fwd_half = gpk_attention_fwd_half_ref,
    .attention_bwd_half = gpk_attention_bwd_half_ref,
    .add = gpk_add_ref,
    .axpy = gpk_axpy_ref,
    .add_rows = gpk_add_rows_ref,
    .sum_rows = gpk_sum_rows_ref,
    .dot = gpk_dot_ref,
    .row_stats = gpk_row_stats_ref,
};

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* Enough for one head at a time: keys and values transposed, probabilities and their gradients, all padded to whole vectors; queries, keys
 * and values that come in bf16 as reals. */
size_t gp_attn_scratch(size_t width, size_t heads, size_t max_keys, size_t max_q)
{
    const size_t d = up(width / (heads ? heads : 1), 16), keys = up(max_keys, 16) + 16, q = up(max_q, 16);
    return 4 * d * keys + 2 * q * keys + q * d + 4 * q + 64;
}

const gp_kernels *gp_kernels_select(const char *wish)
{
#if defined(GP_HAVE_FAST) && !defined(GP_REAL_IS_DOUBLE)
    switch (gp_cpu_level_for(wish)) {
    case GP_CPU_AVX512_BF16:
        return &gp_kernels_avx512_bf16;
    case GP_CPU_AVX512:
        return &gp_kernels_avx512;
    case GP_CPU_AVX2:
        return &gp_kernels_avx2;
    default:
        return &gp_kernels_ref;
    }
#else
    (void)wish;
    return &gp_kernels_ref;
#endif
}
