/* table.c - the table of fast kernels of one instruction set.
 * SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fast/kernels.h"

#define STR2(x) #x
#define STR(x)  STR2(x)

const gp_kernels GPK_PASTE(gp_kernels, GPK_ISA) = {
    .name = STR(GPK_ISA),
    .layernorm_fwd = GPK(layernorm_fwd),
    .layernorm_bwd = GPK(layernorm_bwd),
    .act_fwd = {[GP_ACT_QUICKGELU] = GPK(quickgelu_fwd), [GP_ACT_GELU] = GPK(gelu_fwd)},
    .act_bwd = {[GP_ACT_QUICKGELU] = GPK(quickgelu_bwd), [GP_ACT_GELU] = GPK(gelu_bwd)},
    .attention_fwd = GPK(attention_fwd),
    .attention_bwd = GPK(attention_bwd),
    .layernorm_half = GPK(layernorm_half),
    .act_half = {[GP_ACT_QUICKGELU] = GPK(quickgelu_half), [GP_ACT_GELU] = GPK(gelu_half)},
    .act_bwd_half = {[GP_ACT_QUICKGELU] = GPK(quickgelu_bwd_half), [GP_ACT_GELU] = GPK(gelu_bwd_half)},
    .attention_fwd_half = GPK(attention_fwd_half),
    .attention_bwd_half = GPK(attention_bwd_half),
    .add = GPK(add),
    .axpy = GPK(axpy),
    .add_rows = GPK(add_rows),
    .sum_rows = GPK(sum_rows),
    .dot = GPK(dot),
    .row_stats = GPK(row_stats),
};
