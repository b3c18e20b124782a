/* ops.h - the differentiable operations of the methods, forward now and backward on the tape.  Sizes are checked by assert: they are the
 * method's, not the user's.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_OPS_H
#define GP_OPS_H

#include "encoders/text.h"
#include "encoders/vision.h"
#include "grad/tape.h"

gp_var gp_linear(gp_tape *t, gp_var x, gp_var w, gp_var b); /* [n,in],[out,in],[1,out] (b.v NULL: none) -> [n,out] */
gp_var gp_relu(gp_tape *t, gp_var x);
gp_var gp_axpby(gp_tape *t, gp_real a, gp_var x, gp_real b, gp_var y); /* a x + b y, same shape */
gp_var gp_scale(gp_tape *t, gp_real a, gp_var x);
gp_var gp_add_scalar(gp_tape *t, gp_var x, gp_var s);                  /* x + s, the same number s [1,1] for every element */
gp_var gp_unit_rows(gp_tape *t, gp_var x, gp_real length);             /* length * x / max(||x||, 1e-12) per row (METHODS 0) */
gp_var gp_add_tiled(gp_tape *t, gp_var x, gp_var tile);                /* x [n*M, C] + tile [M, C] repeated n times */
gp_var gp_repeat_rows(gp_tape *t, gp_var x, size_t times);             /* every row `times` times in a row: [n,C] -> [n*times,C] */
gp_var gp_rows(gp_tape *t, gp_var x, size_t first, size_t n);          /* a slice of rows; shares storage, its gradient is x's */
gp_var gp_gather(gp_tape *t, gp_var x, const uint32_t *idx, size_t n); /* rows idx[i]; idx copied */
gp_var gp_concat_rows(gp_tape *t, const gp_var *x, size_t n);
gp_var gp_mix_layers(gp_tape *t, gp_var a, const gp_var *f,
                     size_t L);                                 /* a [M,L], f[l] [n,C] -> [n*M,C]: sum_l a[m,l] f_l (METHODS 3.7 step 3) */
gp_var gp_row_dots(gp_tape *t, gp_var x, gp_var y, gp_real s);  /* x [n,C], y [n*K,C] -> [n,K]: s <x_i, y_(i,k)> */
gp_var gp_matmul_nt(gp_tape *t, gp_var x, gp_var y, gp_real s); /* x [n,C], y [K,C] -> [n,K]: s x y^T */
#define GP_NO_ROW UINT32_MAX
gp_var gp_columns(gp_tape *t, gp_var x, const uint32_t *col, size_t K); /* x [n,C] -> [n,K]: column col[k] (NULL: k), 0 for GP_NO_ROW */
gp_var gp_affinity(gp_tape *t, gp_var a, const gp_real *used, size_t groups,
                   gp_real beta); /* a [n, groups S] -> [n, groups]: sum over the used ones of a group of exp(beta (a - 1)) */
gp_var gp_batchnorm(gp_tape *t, gp_var x, gp_var gain, gp_var bias, gp_real *running_mean, gp_real *running_var,
                    bool training); /* METHODS 5.5 */
gp_var gp_text_encode(gp_tape *t, gp_model *m, const gp_text_plan *p, gp_var contexts /* [C*M, Dt] */, size_t C, const gp_pair *pairs,
                      size_t n); /* -> [n, E], not normalised */
/* With deep prompts (METHODS 2.6): deep [levels*M, Dt] replaces the contexts in front of blocks 2 .. levels+1; without rows: none. */
gp_var gp_text_encode_deep(gp_tape *t, gp_model *m, const gp_text_plan *p, gp_var contexts, gp_var deep, size_t C, const gp_pair *pairs,
                           size_t n);
/* The image tower with prompt rows (METHODS 3.5): prompts [levels*n, Dv], pixels [B, 3, image, image] -> [B, E], not normalised. */
gp_var gp_image_encode(gp_tape *t, gp_model *m, gp_var prompts, size_t levels, const gp_real *pixels, size_t B);

#endif
