/* frg.c - feature rescaling and pooling: statistics of every layer of the image tower, brought to the width and scale of the text tower
 * (METHODS 3.7 step 2).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "prompts/prompts.h"

static const char *part_name(const gp_frg_config *c, gp_frg_part which)
{
    if (which == GP_FRG_CONTENT) return c->content ? c->content : "frg.content";
    return c->style ? c->style : "frg.style";
}

static gp_var layer_param(gp_params *p, const gp_frg_config *c, gp_frg_part which, size_t l, const char *what)
{
    char name[96];
    snprintf(name, sizeof name, "%s.%zu.%s", part_name(c, which), l, what);
    return gp_param(p, name);
}

gopro_status gp_frg_declare(gp_params *p, const gp_frg_config *c, gopro_error *err)
{
    for (gp_frg_part which = GP_FRG_CONTENT; which <= GP_FRG_STYLE && !c->pool; which++)
        for (size_t l = 0; l < c->L; l++) {
            char name[64];
            snprintf(name, sizeof name, "%s.%zu", part_name(c, which), l);
            GP_TRY(gp_params_add_linear(p, name, c->Dt, c->Dv, false, true, err));
        }
    if (!c->center) return GOPRO_OK;
    const size_t shape[] = {c->L, c->Dv};
    GP_TRY(gp_params_add_state(p, "center.mu", shape, 2, 0, err));
    return gp_params_add_state(p, "center.sigma", shape, 2, 0, err);
}

/* Content g_l = mu_l or style (mu_l + sigma_l)/2 of all views, as a constant [n_views B, Dv]. */
static gp_var layer_stats(gp_tape *t, gp_params *p, const gp_frg_config *c, const gp_stats *view, size_t n_views, size_t B,
                          gp_frg_part which, size_t l)
{
    gp_var x = gp_tape_var(t, n_views * B, c->Dv, false);
    if (!x.v) return x;
    const gp_real half = (gp_real)0.5;
    const gp_real *mu0 = c->center ? gp_param(p, "center.mu").v + l * c->Dv : NULL;
    const gp_real *sigma0 = c->center ? gp_param(p, "center.sigma").v + l * c->Dv : NULL;
    for (size_t row = 0; row < n_views * B; row++) {
        const size_t at = (row % B * c->L + l) * c->Dv;
        const gp_real *mu = view[row / B].mu + at, *sigma = view[row / B].sigma + at;
        for (size_t j = 0; j < c->Dv; j++) {
            const gp_real m = mu[j] - (mu0 ? mu0[j] : 0), s = sigma[j] - (sigma0 ? sigma0[j] : 0);
            x.v[row * c->Dv + j] = which == GP_FRG_CONTENT ? m : half * (m + s);
        }
    }
    return x;
}

/* Adaptive average pooling of rows: output j is the mean of inputs floor(j Dv/Dt) .. ceil((j+1) Dv/Dt) - 1. */
static gp_var pool_rows(gp_tape *t, gp_var x, size_t Dt)
{
    gp_var y = gp_tape_var(t, x.rows, Dt, false);
    if (!y.v) return y;
    for (size_t i = 0; i < x.rows; i++)
        for (size_t j = 0; j < Dt; j++) {
            const size_t lo = j * x.cols / Dt, hi = ((j + 1) * x.cols + Dt - 1) / Dt;
            double sum = 0;
            for (size_t k = lo; k < hi; k++) sum += (double)x.v[i * x.cols + k];
            y.v[i * Dt + j] = (gp_real)(sum / (double)(hi - lo));
        }
    return y;
}

static gp_var map(gp_tape *t, gp_params *p, const gp_frg_config *c, gp_var x, gp_frg_part which, size_t l)
{
    if (c->pool) return pool_rows(t, x, c->Dt);
    return gp_linear(t, x, layer_param(p, c, which, l, "weight"), layer_param(p, c, which, l, "bias"));
}

gp_frg_norm gp_frg_norm_parse(const char *name)
{
    return strcmp(name, "rms") == 0 ? GP_FRG_RMS : strcmp(name, "unit") == 0 ? GP_FRG_UNIT : GP_FRG_NONE;
}

static gp_var rescale(gp_tape *t, const gp_frg_config *c, gp_var z)
{
    return c->norm == GP_FRG_NONE ? z : gp_unit_rows(t, z, c->norm == GP_FRG_RMS ? (gp_real)sqrt((double)c->Dt) : 1);
}

void gp_frg_half(gp_tape *t, gp_params *p, const gp_frg_config *c, gp_stats stats, size_t B, gp_frg_part which, gp_var *f)
{
    for (size_t l = 0; l < c->L; l++) f[l] = rescale(t, c, map(t, p, c, layer_stats(t, p, c, &stats, 1, B, which, l), which, l));
}

/* z_l = (C_l g_l + c_l + S_l (mu_l + sigma_l)/2 + s_l)/2, F_l = z_l rescaled */
void gp_frg(gp_tape *t, gp_params *p, const gp_frg_config *c, const gp_stats *view, size_t n_views, size_t B, gp_var *f)
{
    const gp_real half = (gp_real)0.5;
    for (size_t l = 0; l < c->L; l++) {
        const gp_var content = map(t, p, c, layer_stats(t, p, c, view, n_views, B, GP_FRG_CONTENT, l), GP_FRG_CONTENT, l);
        const gp_var style = map(t, p, c, layer_stats(t, p, c, view, n_views, B, GP_FRG_STYLE, l), GP_FRG_STYLE, l);
        f[l] = rescale(t, c, gp_axpby(t, half, content, half, style));
    }
}
