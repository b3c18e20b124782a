/* losses.h - the loss terms as tape operations; each returns a [1,1] variable (METHODS 3.11).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_LOSSES_H
#define GP_LOSSES_H

#include "grad/tape.h"

gp_var gp_cross_entropy(gp_tape *t, gp_var logits, const uint32_t *label, size_t divisor); /* -(1/divisor) sum_b log softmax[y_b] */
gp_var gp_l2_distance(gp_tape *t, gp_var a, gp_var b, size_t divisor); /* (1/divisor) sum_b ||a_b - b_b||, 0 with gradient 0 below 1e-12 */
gp_var gp_mse(gp_tape *t, gp_var a, gp_var b, size_t divisor);         /* (1/divisor) sum of squared differences */
gp_var gp_nt_xent(gp_tape *t, gp_var a, gp_var b, gp_real tau);        /* rows normalised inside; 0 for one row */
/* The same; accuracy (may be NULL): how many of the 2B rows are most similar to their partner, per cent. */
gp_var gp_nt_xent_scored(gp_tape *t, gp_var a, gp_var b, gp_real tau, double *accuracy);

#endif
