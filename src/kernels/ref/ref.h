/* ref.h - the reference kernels, one file per group; table.c collects them.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_KERNELS_REF_H
#define GP_KERNELS_REF_H

#include "kernels/kernels.h"

void gpk_layernorm_fwd_ref(gp_real *y, gp_real *mean, gp_real *rstd, const gp_real *x, const gp_real *g, const gp_real *b, gp_real eps,
                           size_t rows, size_t cols);
void gpk_layernorm_bwd_ref(gp_real *dx, gp_real *dg, gp_real *db, const gp_real *dy, const gp_real *x, const gp_real *g,
                           const gp_real *mean, const gp_real *rstd, size_t rows, size_t cols);
void gpk_quickgelu_fwd_ref(gp_real *y, const gp_real *x, size_t n);
void gpk_quickgelu_bwd_ref(gp_real *dx, const gp_real *dy, const gp_real *x, size_t n);
void gpk_gelu_fwd_ref(gp_real *y, const gp_real *x, size_t n);
void gpk_gelu_bwd_ref(gp_real *dx, const gp_real *dy, const gp_real *x, size_t n);
void gpk_attention_fwd_ref(const gp_attn *a, gp_real *scratch);
void gpk_attention_bwd_ref(const gp_attn *a, const gp_attn_grad *g, gp_real *scratch);
void gpk_layernorm_half_ref(uint16_t *y, gp_real *mean, gp_real *rstd, const gp_real *x, const gp_real *g, const gp_real *b, gp_real eps,
                            size_t rows, size_t cols);
void gpk_quickgelu_half_ref(uint16_t *y, const gp_real *x, size_t n);
void gpk_quickgelu_bwd_half_ref(uint16_t *dx, const gp_real *dy, const gp_real *x, size_t n);
void gpk_gelu_half_ref(uint16_t *y, const gp_real *x, size_t n);
void gpk_gelu_bwd_half_ref(uint16_t *dx, const gp_real *dy, const gp_real *x, size_t n);
void gpk_attention_fwd_half_ref(const gp_attn *a, gp_real *scratch);
void gpk_attention_bwd_half_ref(const gp_attn *a, const gp_attn_grad *g, gp_real *scratch);
void gpk_add_ref(gp_real *y, const gp_real *x, size_t n);
void gpk_axpy_ref(gp_real *y, gp_real a, const gp_real *x, size_t n);
void gpk_add_rows_ref(gp_real *y, const gp_real *b, size_t rows, size_t cols);
void gpk_sum_rows_ref(gp_real *db, const gp_real *dy, size_t rows, size_t cols);
double gpk_dot_ref(const gp_real *a, const gp_real *b, size_t n);
void gpk_row_stats_ref(gp_real *mu, gp_real *sigma, const gp_real *x, size_t n, size_t cols);

#endif
