/* stepgrad.h - the whole step of a method against central differences, in every parameter.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_STEPGRAD_H
#define GP_STEPGRAD_H

#include "steptest.h"

#define STEPGRAD_TOL 1e-6
#define STEPGRAD_H   1e-5
#define STEPGRAD_MAX 12 /* numbers of a tensor that are moved, spread over it */

/* Largest error of any tensor relative to its largest gradient. */
static inline double stepgrad_worst(steptest *x, const char **where)
{
    double worst = 0;
    steptest_run(x);
    for (size_t i = 0; i < gp_params_count(x->p); i++) {
        const gp_param_info *info = gp_params_info(x->p, i);
        const gp_var w = gp_param_at(x->p, i);
        if (info->state) continue;
        double grad[STEPGRAD_MAX], top = 0, off = 0;
        const size_t n = gp_min_size(info->count, STEPGRAD_MAX);
        for (size_t j = 0; j < info->count; j++) top = fmax(top, fabs((double)w.g[j]));
        for (size_t j = 0; j < n; j++) grad[j] = (double)w.g[j * info->count / n];
        const bool reached = *w.reached;
        assert_true(reached || top == 0);
        for (size_t j = 0; j < n; j++) {
            gp_real *v = &w.v[j * info->count / n];
            const gp_real keep = *v;
            *v = (gp_real)((double)keep + STEPGRAD_H);
            const double up = steptest_run(x);
            *v = (gp_real)((double)keep - STEPGRAD_H);
            const double down = steptest_run(x);
            *v = keep;
            off = fmax(off, fabs((up - down) / (2 * STEPGRAD_H) - grad[j]));
        }
        /* the bias in front of a batch normalisation has no gradient: only noise is left to compare */
        const double error = top > 1e-9 ? off / top : off * 1e-3;
        if (error > worst) {
            worst = error;
            *where = info->name;
        }
        steptest_run(x);
    }
    return worst;
}

#endif
