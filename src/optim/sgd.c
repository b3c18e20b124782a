/* sgd.c - SGD with momentum and weight decay on every learnable tensor that received a gradient (METHODS 5.1).
 * SPDX-License-Identifier: Apache-2.0 */
#include "optim/params.h"

/* g += wd p; buf = g at the first step, else momentum buf + g; p -= lr buf */
static void step(gp_real *restrict p, gp_real *restrict buf, const gp_real *restrict g, size_t n, gp_real momentum, gp_real wd, gp_real lr)
{
    for (size_t i = 0; i < n; i++) {
        buf[i] = momentum * buf[i] + (g[i] + wd * p[i]);
        p[i] -= lr * buf[i];
    }
}

void gp_sgd_step(gp_params *p, const gp_sgd *o, double lr)
{
    for (size_t i = 0; i < gp_params_count(p); i++) {
        const gp_param_info *info = gp_params_info(p, i);
        const gp_var x = gp_param_at(p, i);
        if (info->state || !*x.reached) continue;
        gp_param_state s = gp_params_state(p, i);
        step(s.value, s.momentum, x.g, info->count, *s.stepped ? (gp_real)o->momentum : 0, (gp_real)o->weight_decay, (gp_real)lr);
        *s.stepped = true;
    }
}
