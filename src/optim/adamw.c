/* adamw.c - AdamW with decoupled weight decay (METHODS 5.4).
 * SPDX-License-Identifier: Apache-2.0 */
#include "optim/adamw.h"

#include <math.h>

static gp_real root(gp_real x)
{
#ifdef GP_REAL_IS_DOUBLE
    return sqrt(x);
#else
    return sqrtf(x);
#endif
}

void gp_adamw_step(gp_real *restrict w, const gp_real *restrict g, gp_real *restrict m, gp_real *restrict v, size_t n, const gp_adamw *o,
                   uint64_t t, double lr, double wd)
{
    const gp_real b1 = (gp_real)o->beta1, b2 = (gp_real)o->beta2, eps = (gp_real)o->eps, one = 1;
    const gp_real c1 = (gp_real)(1 - o->beta1), c2 = (gp_real)(1 - o->beta2);
    const gp_real keep = (gp_real)(1 - lr * wd);
    const gp_real step = (gp_real)(lr / (1 - pow(o->beta1, (double)t)));
    const gp_real unbias = one / root((gp_real)(1 - pow(o->beta2, (double)t)));
    for (size_t i = 0; i < n; i++) {
        m[i] = b1 * m[i] + c1 * g[i];
        v[i] = b2 * v[i] + c2 * g[i] * g[i];
        w[i] = keep * w[i] - step * m[i] / (root(v[i]) * unbias + eps);
    }
}
