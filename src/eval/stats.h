/* stats.h - the paired t test that the tables use to compare two methods.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_STATS_H
#define GP_STATS_H

#include "base/compiler.h"

/* Regularised incomplete beta function I_x(a, b); a, b > 0, x in [0, 1]. */
double gp_incomplete_beta(double x, double a, double b);

/* P(|T| >= |t|) for Student's t with df degrees of freedom. */
double gp_t_two_sided(double t, double df);

/* Pairs a[i], b[i]: mean of a - b and its two-sided test against 0, with the sample deviation (n - 1). */
typedef struct gp_paired {
    size_t n;
    double mean, t, p; /* t, p: NaN below two pairs; equal differences: p = 1 if they are 0, else 0 */
} gp_paired;
gp_paired gp_paired_test(const double *a, const double *b, size_t n);

#endif
