/* gopro_release.c - GOPro as its released code computes it (METHODS 3.8), every defect kept or repaired as docs/FIDELITY.md lists.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "methods/branches.h"
#include "methods/methods.h"

static const char *const lambda_name[GP_N_LOSSES] = {"gopro_release.lambda_ce", "gopro_release.lambda_sem1", "gopro_release.lambda_sem2",
                                                     "gopro_release.lambda_con"};
static const char *const shift_name[GP_N_BRANCHES] = {"image.ctx_shift", "view_moco.ctx_shift", "view_augmix.ctx_shift"};

typedef struct settings {
    gp_frg_config frg; /* z_l as it comes, from the statistics as they are */
    bool pv_in_ce, train_q, mse_all;
    gp_real tau;
    double lambda[GP_N_LOSSES];
} settings;

static settings read_settings(const gp_setup *s)
{
    const gp_clip_arch *a = gp_model_arch(s->model);
    const gp_options *o = s->opt;
    settings c = {
        .frg = {.norm = GP_FRG_NONE,
                .content = "content.linear",
                .style = "style.linear",
                .L = a->v.layers,
                .Dv = a->v.width,
                .Dt = a->t.width},
        .pv_in_ce = gp_opt_bool(o, "gopro_release.pv_in_ce"),
        .train_q = gp_opt_bool(o, "gopro_release.train_q"),
        .mse_all = gp_opt_is(o, "gopro_release.sem", "mse_all"),
        .tau = (gp_real)gp_opt_real(o, "gopro_release.tau"),
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

/* Step 5: both views are cut from the crop's wrapped bytes, the MoCo view gets ImageNet's constants, AugMix the batch's first image. */
static void view_config(const gp_options *o, gp_view_config *v)
{
    v->source = gp_opt_is(o, "gopro_release.views", "wrapped") ? GP_VIEW_OF_WRAPPED
                : gp_opt_is(o, "gopro_release.views", "crop")  ? GP_VIEW_OF_CROP
                                                               : GP_VIEW_OF_IMAGE;
    v->moco_recipe = 1;
    v->moco_imagenet = gp_opt_is(o, "gopro_release.moco_norm", "imagenet");
    v->augmix_severity = 1;
    v->augmix_own_crop = v->augmix_bilinear = true;
    v->augmix_first = gp_opt_is(o, "gopro_release.augmix_index", "first");
}

static gopro_status declare(gp_params *p, const gp_setup *s, gopro_error *err)
{
    const settings c = read_settings(s);
    const size_t E = gp_model_arch(s->model)->embed;
    if ((c.pv_in_ce || c.lambda[GP_CON] > 0) && !s->case_file && gp_opt_int(s->opt, "optim.batch") < 2)
        return gp_fail(err, GOPRO_E_INVALID,
                       "gopro_release normalises its projector over the batch and needs optim.batch of at least 2 "
                       "(or gopro_release.lambda_con=0 and gopro_release.pv_in_ce=0)");
    GP_TRY(gp_context_declare(p, s->M, c.frg.Dt, s->word_ctx, err));
    GP_TRY(gp_frg_declare(p, &c.frg, err));
    GP_TRY(gp_params_add_linear(p, "rho", 1, c.frg.L, false, true, err));
    GP_TRY(gp_params_add_linear(p, "simproj.linear", E, E, false, true, err));
    GP_TRY(gp_params_add(p, "simproj.batchnorm.weight", &E, 1, GP_INIT_ONE, 0, NULL, err));
    GP_TRY(gp_params_add(p, "simproj.batchnorm.bias", &E, 1, GP_INIT_ZERO, 0, NULL, err));
    GP_TRY(gp_params_add_state(p, "batchnorm.running_mean", &E, 1, 0, err));
    return gp_params_add_state(p, "batchnorm.running_var", &E, 1, 1, err);
}

typedef struct common {
    gp_branches branches;
    settings c;
    gp_var q, q1; /* [B, E] q(v^(x)), q(v^(x1)) */
} common;

/* Steps 2 and 3, the same weights for every branch: z_l = (st_l + co_l)/2, pi = sum_l r_l z_l + r_0, c_m = ctx_m + pi for all m. */
static void make_tokens(gp_tape *t, gp_step *s, common *m)
{
    const settings *c = &m->c;
    const size_t B = s->B, M = s->setup->M, L = c->frg.L;
    gp_stats stats[GP_N_BRANCHES];
    size_t n = 0, row = 0;
    gp_var *z = gp_arena_alloc(gp_tape_arena(t), L, sizeof *z);
    for (size_t b = GP_X; b < GP_N_BRANCHES; b++)
        if (gp_branches_text(&m->branches, s, b)) stats[n++] = (gp_stats){s->view[b].mu, s->view[b].sigma};
    if (!z) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the features of a step");
        return;
    }
    gp_frg(t, s->p, &c->frg, stats, n, B, z);
    const gp_var pi = gp_add_scalar(t, gp_mix_layers(t, gp_param(s->p, "rho.weight"), z, L), gp_param(s->p, "rho.bias"));
    for (size_t b = GP_X; b < GP_N_BRANCHES; b++) {
        if (!gp_branches_text(&m->branches, s, b)) continue;
        const gp_var of_branch = gp_rows(t, pi, row, B), shift = gp_repeat_rows(t, of_branch, M);
        m->branches.tokens[b] = gp_add_tiled(t, shift, gp_param(s->p, "ctx"));
        gp_step_show(s, shift_name[b], of_branch);
        if (b == GP_X && s->ctx_shift && shift.v) memcpy(s->ctx_shift, shift.v, B * M * c->frg.Dt * sizeof *shift.v);
        row += B;
    }
}

/* Step 6: q(v^) = BN(Wq v^ + bq), each view its own batch. */
static gp_var project(gp_tape *t, gp_step *s, const settings *c, const gp_view *view, const char *name)
{
    static const char *const part[] = {"simproj.linear.weight", "simproj.linear.bias", "simproj.batchnorm.weight",
                                       "simproj.batchnorm.bias"};
    gp_var w[GP_COUNT(part)];
    for (size_t i = 0; i < GP_COUNT(part); i++) w[i] = c->train_q ? gp_param(s->p, part[i]) : gp_detach(gp_param(s->p, part[i]));
    const gp_var v = gp_const(view->feat, s->B, gp_model_arch(s->setup->model)->embed);
    const gp_var q = gp_batchnorm(t, gp_linear(t, v, w[0], w[1]), w[2], w[3], gp_param(s->p, "batchnorm.running_mean").v,
                                  gp_param(s->p, "batchnorm.running_var").v, s->training);
    gp_step_show(s, name, q);
    return q;
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
    const bool con = s->training && m->c.lambda[GP_CON] > 0;
    m->branches = (gp_branches){.mse_all = m->c.mse_all};
    memcpy(m->branches.lambda, m->c.lambda, sizeof m->c.lambda);
    gp_branches_begin(s, &m->branches);
    make_tokens(t, s, m);
    if (con || m->c.pv_in_ce) m->q = project(t, s, &m->c, &s->view[GP_X], "simproj.image");
    if (con) m->q1 = project(t, s, &m->c, &s->view[GP_X1], "simproj.view_moco");
    /* step 4: the logits read v^, not the projector */
    m->branches.w = m->c.pv_in_ce ? m->q : gp_const(s->view[GP_X].feat, s->B, gp_model_arch(s->setup->model)->embed);
}

static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    common *m = s->shared;
    gp_branches_images(t, s, &m->branches, first, n);
}

/* Step 7: 0.1 NTXent(q(v^(x)), q(v^(x1))) */
static void batch(gp_tape *t, gp_step *s)
{
    const common *m = s->shared;
    const settings *c = &m->c;
    if (c->lambda[GP_CON] > 0) gp_step_term(t, s, gp_branch_loss[GP_CON], c->lambda[GP_CON], gp_nt_xent(t, m->q, m->q1, c->tau));
}

static void embed(gp_tape *t, gp_step *s, gp_real *out)
{
    const settings c = read_settings(s->setup);
    const size_t E = gp_model_arch(s->setup->model)->embed;
    if (!c.pv_in_ce) {
        memcpy(out, s->view[GP_X].feat, s->B * E * sizeof *out);
        return;
    }
    const gp_var w = gp_unit_rows(t, project(t, s, &c, &s->view[GP_X], "simproj.image"), 1);
    if (w.v) memcpy(out, w.v, w.rows * w.cols * sizeof *out);
}

const gp_method gp_method_gopro_release = {
    .name = "gopro_release",
    .title = "GOPro release",
    .wants = GP_WANT_STATS | GP_WANT_TEXT,
    .views = views,
    .view_config = view_config,
    .declare = declare,
    .shared = shared,
    .images = images,
    .batch = batch,
    .embed = embed,
};
