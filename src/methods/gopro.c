/* gopro.c - GOPro, variant 'paper' (METHODS 3.7): prompts conditioned on the image at every layer, three views, three losses.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "methods/branches.h"
#include "methods/methods.h"

static const char *const lambda_name[GP_N_LOSSES] = {"gopro.lambda_ce", "gopro.lambda_sem1", "gopro.lambda_sem2", "gopro.lambda_con"};
static const char *const rho_name[GP_N_BRANCHES] = {"rho.f", "rho.mo", "rho.au"};

typedef struct settings {
    gp_frg_config frg;
    gp_projector_kind pv;
    bool shared_rho, mse_all, detach_anchor, decoder_bias;
    gp_real alpha, tau;
    double lambda[GP_N_LOSSES];
} settings;

gp_frg_config gp_gopro_frg(const gp_setup *s)
{
    const gp_clip_arch *a = gp_model_arch(s->model);
    const gp_options *o = s->opt;
    return (gp_frg_config){
        .norm = gp_frg_norm_parse(gp_opt_string(o, "gopro.frg_norm")),
        .center = gp_opt_bool(o, "gopro.frg_center"),
        .pool = gp_opt_is(o, "gopro.frg", "pool"),
        .L = a->v.layers,
        .Dv = a->v.width,
        .Dt = a->t.width,
    };
}

static settings read_settings(const gp_setup *s)
{
    const gp_options *o = s->opt;
    settings c = {
        .frg = gp_gopro_frg(s),
        .pv = gp_opt_is(o, "gopro.pv", "residual")    ? GP_PV_RESIDUAL
              : gp_opt_is(o, "gopro.pv", "linear_bn") ? GP_PV_LINEAR_BN
                                                      : GP_PV_OFF,
        .shared_rho = gp_opt_is(o, "gopro.rho", "shared"),
        .mse_all = gp_opt_is(o, "gopro.sem", "mse_all"),
        .detach_anchor = gp_opt_is(o, "gopro.sem_detach", "anchor"),
        .decoder_bias = gp_opt_bool(o, "gopro.decoder_bias"),
        .alpha = (gp_real)gp_opt_real(o, "gopro.alpha"),
        .tau = (gp_real)gp_opt_real(o, "gopro.tau"),
    };
    for (size_t i = 0; i < GP_N_LOSSES; i++) c.lambda[i] = gp_opt_real(o, lambda_name[i]);
    return c;
}

static void views(const gp_setup *s, gp_view_kind kind[GP_MAX_VIEWS])
{
    double lambda[GP_N_LOSSES];
    for (size_t i = 0; i < GP_N_LOSSES; i++) lambda[i] = gp_opt_real(s->opt, lambda_name[i]);
    gp_branches_views(lambda, kind);
}

static gopro_status declare(gp_params *p, const gp_setup *s, gopro_error *err)
{
    const settings c = read_settings(s);
    if (c.pv == GP_PV_LINEAR_BN && !s->case_file && gp_opt_int(s->opt, "optim.batch") < 2)
        return gp_fail(err, GOPRO_E_INVALID, "gopro.pv=linear_bn normalises over the batch and needs optim.batch of at least 2");
    GP_TRY(gp_context_declare(p, s->M, c.frg.Dt, s->word_ctx, err));
    GP_TRY(gp_frg_declare(p, &c.frg, err));
    for (size_t b = GP_X; b < (c.shared_rho ? GP_X1 : GP_N_BRANCHES); b++)
        GP_TRY(gp_meta_net_declare(p, rho_name[b], s->M, c.frg.L, c.frg.Dt, c.decoder_bias, err));
    return gp_projector_declare(p, c.pv, gp_model_arch(s->model)->embed, err);
}

/* What all images of a step have in common; the text tower is entered image by image. */
typedef struct common {
    gp_branches branches;
    settings c;
    gp_var w1; /* [B, E] projected features of x1 */
} common;

/* Steps 2 and 3: F(x_b) for every branch, then c_m = ctx_m + rho_b(F(x_b))_m. */
static void make_tokens(gp_tape *t, gp_step *s, common *m)
{
    const settings *c = &m->c;
    const size_t B = s->B, L = c->frg.L, n_tokens = B * s->setup->M;
    gp_stats stats[GP_N_BRANCHES];
    size_t n = 0, row = 0;
    for (size_t b = GP_X; b < GP_N_BRANCHES; b++)
        if (gp_branches_text(&m->branches, s, b)) stats[n++] = (gp_stats){s->view[b].mu, s->view[b].sigma};
    gp_var *f = gp_arena_alloc(gp_tape_arena(t), L, sizeof *f), *fb = gp_arena_alloc(gp_tape_arena(t), L, sizeof *fb);
    if (!f || !fb) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the features of a step");
        return;
    }
    gp_frg(t, s->p, &c->frg, stats, n, B, f);
    for (size_t b = GP_X; b < GP_N_BRANCHES; b++) {
        if (!gp_branches_text(&m->branches, s, b)) continue;
        for (size_t l = 0; l < L; l++) fb[l] = gp_rows(t, f[l], row, B);
        const gp_var shift = gp_meta_net(t, s->p, rho_name[c->shared_rho ? GP_X : b], fb, L);
        gp_var tokens = gp_add_tiled(t, shift, gp_param(s->p, "ctx"));
        if (b == GP_X && c->detach_anchor && !(c->lambda[GP_CE] > 0)) tokens = gp_detach(tokens); /* no loss reaches them */
        m->branches.tokens[b] = tokens;
        if (b == GP_X && s->ctx_shift && shift.v) memcpy(s->ctx_shift, shift.v, n_tokens * c->frg.Dt * sizeof *shift.v);
        row += B;
    }
}

static gp_var project(gp_tape *t, gp_step *s, const settings *c, const gp_view *view)
{
    const gp_var v = gp_const(view->feat, s->B, gp_model_arch(s->setup->model)->embed);
    return gp_projector(t, s->p, c->pv, c->alpha, v, s->training);
}

static void shared(gp_tape *t, gp_step *s)
{
    common *m = gp_arena_alloc(gp_tape_arena(t), 1, sizeof *m);
    if (!m) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a step");
        return;
    }
    s->shared = m;
    m->c = read_settings(s->setup);
    m->branches = (gp_branches){.mse_all = m->c.mse_all, .detach_anchor = m->c.detach_anchor};
    memcpy(m->branches.lambda, m->c.lambda, sizeof m->c.lambda);
    gp_branches_begin(s, &m->branches);
    make_tokens(t, s, m);
    m->branches.w = project(t, s, &m->c, &s->view[GP_X]); /* step 5: w = P_v(v^(x)), w1 = P_v(v^(x1)) */
    if (s->training && m->c.lambda[GP_CON] > 0) m->w1 = project(t, s, &m->c, &s->view[GP_X1]);
}

/* Steps 4 and 6 image by image. */
static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    common *m = s->shared;
    gp_branches_images(t, s, &m->branches, first, n);
}

static void batch(gp_tape *t, gp_step *s)
{
    const common *m = s->shared;
    const settings *c = &m->c;
    if (c->lambda[GP_CON] > 0) gp_step_term(t, s, gp_branch_loss[GP_CON], c->lambda[GP_CON], gp_nt_xent(t, m->branches.w, m->w1, c->tau));
}

static void embed(gp_tape *t, gp_step *s, gp_real *out)
{
    const settings c = read_settings(s->setup);
    const gp_var w = gp_unit_rows(t, project(t, s, &c, &s->view[GP_X]), 1);
    if (w.v) memcpy(out, w.v, w.rows * w.cols * sizeof *out);
}

const gp_method gp_method_gopro = {
    .name = "gopro",
    .title = "GOPro",
    .wants = GP_WANT_STATS | GP_WANT_TEXT,
    .views = views,
    .declare = declare,
    .shared = shared,
    .images = images,
    .batch = batch,
    .embed = embed,
};
