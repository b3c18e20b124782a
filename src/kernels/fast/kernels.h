/* kernels.h - the fast kernels of the instruction set being compiled.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_FAST_KERNELS_H
#define GP_FAST_KERNELS_H

#include "kernels/fast/simd.h"

void GPK(layernorm_fwd)(float *y, float *mean, float *rstd, const float *x, const float *g, const float *b, float eps, size_t rows,
                        size_t cols);
void GPK(layernorm_bwd)(float *dx, float *dg, float *db, const float *dy, const float *x, const float *g, const float *mean,
                        const float *rstd, size_t rows, size_t cols);
void GPK(quickgelu_fwd)(float *y, const float *x, size_t n);
void GPK(quickgelu_bwd)(float *dx, const float *dy, const float *x, size_t n);
void GPK(gelu_fwd)(float *y, const float *x, size_t n);
void GPK(gelu_bwd)(float *dx, const float *dy, const float *x, size_t n);
void GPK(attention_fwd)(const gp_attn *a, float *scratch);
void GPK(attention_bwd)(const gp_attn *a, const gp_attn_grad *g, float *scratch);
void GPK(layernorm_half)(uint16_t *y, float *mean, float *rstd, const float *x, const float *g, const float *b, float eps, size_t rows,
                         size_t cols);
void GPK(quickgelu_half)(uint16_t *y, const float *x, size_t n);
void GPK(quickgelu_bwd_half)(uint16_t *dx, const float *dy, const float *x, size_t n);
void GPK(gelu_half)(uint16_t *y, const float *x, size_t n);
void GPK(gelu_bwd_half)(uint16_t *dx, const float *dy, const float *x, size_t n);
void GPK(attention_fwd_half)(const gp_attn *a, float *scratch);
void GPK(attention_bwd_half)(const gp_attn *a, const gp_attn_grad *g, float *scratch);
void GPK(add)(float *y, const float *x, size_t n);
void GPK(axpy)(float *y, float a, const float *x, size_t n);
void GPK(add_rows)(float *y, const float *b, size_t rows, size_t cols);
void GPK(sum_rows)(float *db, const float *dy, size_t rows, size_t cols);
double GPK(dot)(const float *a, const float *b, size_t n);
void GPK(row_stats)(float *mu, float *sigma, const float *x, size_t n, size_t cols);

#endif
