/* gopro.c - GOPro, variant 'paper' (METHODS 3.7): prompts conditioned on the image at every layer, three views, three losses.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "methods/methods.h"

enum { X, X1, X2, N_VIEWS }; /* the image, its MoCo v3 view, its AugMix view */
enum { CE, SEM1, SEM2, CON, N_LOSSES };

static const char *const loss_name[N_LOSSES] = {"ce", "sem_moco", "sem_augmix", "con"};
static const char *const lambda_name[N_LOSSES] = {"gopro.lambda_ce", "gopro.lambda_sem1", "gopro.lambda_sem2", "gopro.lambda_con"};
static const char *const rho_name[N_VIEWS] = {"rho.f", "rho.mo", "rho.au"};

typedef struct settings {
    gp_frg_config frg;
    gp_projector_kind pv;
    bool shared_rho, mse_all, detach_anchor, decoder_bias;
    gp_real alpha, tau;
    double lambda[N_LOSSES];
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
    for (size_t i = 0; i < N_LOSSES; i++) c.lambda[i] = gp_opt_real(o, lambda_name[i]);
    return c;
}

static void views(const gp_setup *s, gp_view_kind kind[GP_MAX_VIEWS])
{
    const settings c = read_settings(s);
    kind[X] = GP_VIEW_CROP;
    kind[X1] = c.lambda[SEM1] > 0 || c.lambda[CON] > 0 ? GP_VIEW_MOCO : GP_VIEW_NONE;
    kind[X2] = c.lambda[SEM2] > 0 ? GP_VIEW_AUGMIX : GP_VIEW_NONE;
}

static gopro_status declare(gp_params *p, const gp_setup *s, gopro_error *err)
{
    const settings c = read_settings(s);
    if (c.pv == GP_PV_LINEAR_BN && !s->case_file && gp_opt_int(s->opt, "optim.batch") < 2)
        return gp_fail(err, GOPRO_E_INVALID, "gopro.pv=linear_bn normalises over the batch and needs optim.batch of at least 2");
    GP_TRY(gp_context_declare(p, s->M, c.frg.Dt, s->word_ctx, err));
    GP_TRY(gp_frg_declare(p, &c.frg, err));
    for (size_t b = X; b < (c.shared_rho ? X1 : N_VIEWS); b++)
        GP_TRY(gp_meta_net_declare(p, rho_name[b], s->M, c.frg.L, c.frg.Dt, c.decoder_bias, err));
    return gp_projector_declare(p, c.pv, gp_model_arch(s->model)->embed, err);
}

/* What all images of a step have in common; the text tower is entered image by image. */
typedef struct common {
    settings c;
    bool all_classes;       /* of the image itself; otherwise its true class is enough */
    gp_var tokens[N_VIEWS]; /* [B M, Dt] the contexts of each view's prompts; empty if no loss needs the view's text */
    gp_var w, w1;           /* [B, E] projected features of x and x1 */
} common;

/* Steps 2 and 3: F(x_b) for every view, then c_m = ctx_m + rho_b(F(x_b))_m. */
static void make_tokens(gp_tape *t, gp_step *s, common *m)
{
    const settings *c = &m->c;
    const size_t B = s->B, L = c->frg.L, n_tokens = B * s->setup->M;
    const bool needed[N_VIEWS] = {true, s->training && c->lambda[SEM1] > 0, s->training && c->lambda[SEM2] > 0};
    gp_stats stats[N_VIEWS];
    size_t n_views = 0, row = 0;
    for (size_t b = X; b < N_VIEWS; b++)
        if (needed[b]) stats[n_views++] = (gp_stats){s->view[b].mu, s->view[b].sigma};
    if (n_views == 0) return;
    gp_var *f = gp_arena_alloc(gp_tape_arena(t), L, sizeof *f), *fb = gp_arena_alloc(gp_tape_arena(t), L, sizeof *fb);
    if (!f || !fb) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the features of a step");
        return;
    }
    gp_frg(t, s->p, &c->frg, stats, n_views, B, f);
    for (size_t b = X; b < N_VIEWS; b++) {
        if (!needed[b]) continue;
        for (size_t l = 0; l < L; l++) fb[l] = gp_rows(t, f[l], row, B);
        const gp_var shift = gp_meta_net(t, s->p, rho_name[c->shared_rho ? X : b], fb, L);
        m->tokens[b] = gp_add_tiled(t, shift, gp_param(s->p, "ctx"));
        if (b == X && c->detach_anchor && !(c->lambda[CE] > 0)) m->tokens[b] = gp_detach(m->tokens[b]); /* no loss reaches them */
        if (b == X && s->ctx_shift && shift.v) memcpy(s->ctx_shift, shift.v, n_tokens * c->frg.Dt * sizeof *shift.v);
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
    m->all_classes = !s->training || s->logits || m->c.lambda[CE] > 0 || m->c.mse_all;
    make_tokens(t, s, m);
    m->w = project(t, s, &m->c, &s->view[X]); /* step 5: w = P_v(v^(x)), w1 = P_v(v^(x1)) */
    if (s->training && m->c.lambda[CON] > 0) m->w1 = project(t, s, &m->c, &s->view[X1]);
}

/* Step 4: normalised text features.  text[X] [n K, E]: all classes of each image (the true one if
 * only L_Sem asks); text[X1], text[X2]: the true class [n, E], or all
 * classes for sem = mse_all.  One call of the text tower, so that its matrix products are large. */
static void encode(gp_tape *t, gp_step *s, size_t first, size_t n, gp_var text[N_VIEWS])
{
    const common *m = s->shared;
    const size_t M = s->setup->M, K = s->K;
    gp_var tokens[N_VIEWS];
    gp_pair *pair = gp_arena_alloc(gp_tape_arena(t), N_VIEWS * n * K, sizeof *pair);
    size_t n_pairs = 0, n_views = 0, at[N_VIEWS + 1] = {0};
    if (gp_tape_failed(t) || !pair) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the prompts of a step");
        return;
    }
    for (size_t b = X; b < N_VIEWS; b++) {
        at[b] = n_pairs;
        if (!m->tokens[b].v) continue;
        const bool all = b == X ? m->all_classes : m->c.mse_all;
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < K; k++)
                if (all || k == s->label[first + i]) pair[n_pairs++] = (gp_pair){(uint32_t)(n_views * n + i), (uint32_t)k};
        tokens[n_views++] = gp_rows(t, m->tokens[b], first * M, n * M);
    }
    at[N_VIEWS] = n_pairs;
    if (n_pairs == 0) return;
    const gp_var contexts = gp_concat_rows(t, tokens, n_views);
    const gp_var all = gp_unit_rows(t, gp_text_encode(t, s->setup->model, s->plan, contexts, n_views * n, pair, n_pairs), 1);
    for (size_t b = X; b < N_VIEWS; b++) text[b] = gp_rows(t, all, at[b], at[b + 1] - at[b]);
}

/* lambda_sem (1/B) sum_b ||t^_y(x) - t^_y(x_b)||, or the mean square over all classes */
static void semantic_loss(gp_tape *t, gp_step *s, size_t first, size_t n, int which, gp_var original, gp_var view)
{
    const common *m = s->shared;
    const settings *c = &m->c;
    if (c->detach_anchor) original = gp_detach(original);
    if (c->mse_all) {
        gp_step_term(t, s, loss_name[which], c->lambda[which], gp_mse(t, original, view, s->B * s->K * view.cols));
        return;
    }
    if (!m->all_classes) {
        gp_step_term(t, s, loss_name[which], c->lambda[which], gp_l2_distance(t, original, view, s->B));
        return;
    }
    uint32_t *true_row = gp_arena_alloc(gp_tape_arena(t), n, sizeof *true_row);
    for (size_t i = 0; true_row && i < n; i++) true_row[i] = (uint32_t)(i * s->K) + s->label[first + i];
    if (!true_row) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a loss");
        return;
    }
    const gp_var anchor = gp_gather(t, original, true_row, n);
    gp_step_term(t, s, loss_name[which], c->lambda[which], gp_l2_distance(t, anchor, view, s->B));
}

/* Step 6: l_k = s <n(w), t^_k(x)>, L_ce and L_Sem. */
static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    const common *m = s->shared;
    const settings *c = &m->c;
    gp_var text[N_VIEWS] = {0};
    encode(t, s, first, n, text);
    gp_var logits = {0};
    if (m->all_classes) logits = gp_row_dots(t, gp_unit_rows(t, gp_rows(t, m->w, first, n), 1), text[X], (gp_real)s->logit_scale);
    if (gp_tape_failed(t)) return;
    if (s->logits) memcpy(s->logits + first * s->K, logits.v, n * s->K * sizeof *logits.v);
    if (!s->training) return;
    if (c->lambda[CE] > 0) gp_step_term(t, s, loss_name[CE], c->lambda[CE], gp_cross_entropy(t, logits, s->label + first, s->B));
    if (c->lambda[SEM1] > 0) semantic_loss(t, s, first, n, SEM1, text[X], text[X1]);
    if (c->lambda[SEM2] > 0) semantic_loss(t, s, first, n, SEM2, text[X], text[X2]);
}

static void batch(gp_tape *t, gp_step *s)
{
    const common *m = s->shared;
    const settings *c = &m->c;
    if (c->lambda[CON] > 0) gp_step_term(t, s, loss_name[CON], c->lambda[CON], gp_nt_xent(t, m->w, m->w1, c->tau));
}

static void embed(gp_tape *t, gp_step *s, gp_real *out)
{
    const settings c = read_settings(s->setup);
    const gp_var w = gp_unit_rows(t, project(t, s, &c, &s->view[X]), 1);
    if (w.v) memcpy(out, w.v, w.rows * w.cols * sizeof *out);
}

const gp_method gp_method_gopro = {
    .name = "gopro",
    .title = "GOPro",
    .wants = GP_WANT_STATS | GP_WANT_CENTER | GP_WANT_TEXT,
    .views = views,
    .declare = declare,
    .shared = shared,
    .images = images,
    .batch = batch,
    .embed = embed,
};
