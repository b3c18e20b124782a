/* clip_loss.h - CLIP's symmetric contrastive loss over a batch, and fitting a logit scale (METHODS 3.2a, 5.7).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_CLIP_LOSS_H
#define GP_CLIP_LOSS_H

#include "kernels/gemm.h"

typedef struct gp_clip_loss {
    double smoothing;      /* share of the target spread over the whole batch */
    const uint64_t *same;  /* [B] captions with equal numbers are equal: the target is spread evenly over them; NULL: all differ */
    double loss, accuracy; /* results; accuracy of image to text, per cent */
} gp_clip_loss;

/* L = (CE(s I T^T, Y) + CE(s T I^T, Y)) / 2 with I, T the normalised rows of fi, ft [B, E] and s = exp(log_scale).
 * di, dt [B, E] and dlog_scale[1] are added to. */
gopro_status gp_clip_loss_run(gp_clip_loss *l, gp_compute *c, gp_arena *a, gp_real *di, gp_real *dt, gp_real *dlog_scale, const gp_real *fi,
                              const gp_real *ft, gp_real log_scale, size_t B, size_t E, gopro_error *err);

void gp_clip_unit_rows(gp_real *x, size_t rows, size_t cols); /* in place */

/* cosine [n, K] in groups of K rows, row i of a group belonging to column i: mean cross-entropy at scale s, and accuracy in per cent. */
double gp_clip_group_loss(const gp_real *cosine, size_t n, size_t K, double s, double *accuracy);
/* The scale that minimises it (convex in s: golden section on its logarithm between 0.1 and 200). */
double gp_clip_fit_scale(const gp_real *cosine, size_t n, size_t K);

#endif
