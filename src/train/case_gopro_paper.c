/* case_gopro_paper.c - parity cases of GOPro's variant 'paper'.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "train/step_case_kinds.h"

static const gp_case_option option[] = {
    {"frg_norm", "gopro.frg_norm", "unit"},
    {"frg_center", "gopro.frg_center", "0"},
    {"decoder_bias", "gopro.decoder_bias", "1"},
    {"frg", "gopro.frg", NULL},
    {"rho", "gopro.rho", NULL},
    {"sem", "gopro.sem", NULL},
    {"sem_detach", "gopro.sem_detach", NULL},
    {"pv", "gopro.pv", NULL},
    {"alpha", "gopro.alpha", "0.1"},
    {"tau", "gopro.tau", "0.1"},
    {"lambda_ce", "gopro.lambda_ce", "1"},
    {"lambda_sem1", "gopro.lambda_sem1", "1"},
    {"lambda_sem2", "gopro.lambda_sem2", "1"},
    {"lambda_con", "gopro.lambda_con", "1"},
    {0},
};

static void stats(const gp_case *c, bool stats[GP_MAX_VIEWS])
{
    stats[0] = true;
    stats[1] = gp_opt_real(c->opt, "gopro.lambda_sem1") > 0;
    stats[2] = gp_opt_real(c->opt, "gopro.lambda_sem2") > 0;
}

static void put_stats(const gp_case *c, const gp_step *s, gp_case_results *r)
{
    const gp_tower_arch *v = &gp_model_arch(c->model)->v;
    const size_t shape[] = {c->B, v->layers, v->width};
    for (size_t i = 0; i < GP_MAX_VIEWS; i++) {
        char name[64];
        if (!s->view[i].mu) continue;
        snprintf(name, sizeof name, "out.stats.%s.mu", c->kind->view[i]);
        gp_case_put(r, name, shape, 3, s->view[i].mu);
        snprintf(name, sizeof name, "out.stats.%s.sigma", c->kind->view[i]);
        gp_case_put(r, name, shape, 3, s->view[i].sigma);
    }
}

/* F_1 .. F_L of the image view, [B, L, Dt] */
static gopro_status put_frg(gp_case *c, gp_tape *t, const gp_view *view, gp_case_results *r, gp_arena *a, gopro_error *err)
{
    const gp_frg_config frg = gp_gopro_frg(&c->setup);
    const gp_stats stats = {view->mu, view->sigma};
    const size_t L = frg.L, Dt = frg.Dt;
    gp_var *f = gp_arena_alloc(a, L, sizeof *f);
    gp_real *out = gp_arena_alloc(a, c->B * L * Dt, sizeof *out);
    if (!f || !out) return gp_fail_nomem(err, c->B * L * Dt * sizeof *out, "features");
    gp_tape_set_recording(t, false);
    gp_frg(t, c->p, &frg, &stats, 1, c->B, f);
    gp_tape_set_recording(t, true);
    GP_TRY(gp_tape_status(t, err));
    for (size_t b = 0; b < c->B; b++)
        for (size_t l = 0; l < L; l++) memcpy(out + (b * L + l) * Dt, f[l].v + b * Dt, Dt * sizeof *out);
    gp_case_put(r, "out.frg", (const size_t[]){c->B, L, Dt}, 3, out);
    return GOPRO_OK;
}

static gopro_status extra(gp_case *c, gp_tape *t, const gp_step *s, gp_case_results *r, gp_arena *a, gopro_error *err)
{
    put_stats(c, s, r);
    return put_frg(c, t, &s->view[0], r, a, err);
}

const gp_case_kind gp_case_gopro_paper = {
    .name = "gopro_paper",
    .method = &gp_method_gopro,
    .view = {"image", "view_moco", "view_augmix"},
    .option = option,
    .terms = true,
    .stats = stats,
    .extra = extra,
};
