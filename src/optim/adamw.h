/* adamw.h - AdamW and its per-iteration schedule, for pretraining only (METHODS 5.4).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ADAMW_H
#define GP_ADAMW_H

#include "base/compiler.h"
#include "base/real.h"

typedef struct gp_adamw {
    double beta1, beta2, eps; /* 0.9, 0.98, 1e-8 */
} gp_adamw;

/* One step on n numbers; t counts from 1.  wd is 0 for tensors that are not decayed.
 * p *= 1 - lr wd; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; p -= lr/(1-b1^t) m / (sqrt(v/(1-b2^t)) + eps). */
void gp_adamw_step(gp_real *w, const gp_real *g, gp_real *m, gp_real *v, size_t n, const gp_adamw *o, uint64_t t, double lr, double wd);

/* Learning rate of iteration i: n_warm values from lr_start to lr0 inclusive, then a cosine from lr0 down towards lr_end that ends with
 * iteration n_total - 1. */
double gp_lr_pretrain(double lr0, double lr_start, double lr_end, size_t i, size_t n_warm, size_t n_total);

#endif
