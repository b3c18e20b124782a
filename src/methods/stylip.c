/* stylip.c - StyLIP as METHODS 3.6 reads it: style features of every layer make the context tokens, content features shift the text.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "methods/methods.h"

typedef struct settings {
    gp_frg_config frg;
    bool decoder_bias, to_tokens;
    gp_real alpha;
} settings;

static settings read_settings(const gp_setup *s)
{
    const gp_clip_arch *a = gp_model_arch(s->model);
    const gp_options *o = s->opt;
    return (settings){
        .frg = {.norm = gp_frg_norm_parse(gp_opt_string(o, "stylip.frg_norm")),
                .center = gp_opt_bool(o, "stylip.frg_center"),
                .L = a->v.layers,
                .Dv = a->v.width,
                .Dt = a->t.width},
        .decoder_bias = gp_opt_bool(o, "stylip.decoder_bias"),
        .to_tokens = gp_opt_is(o, "stylip.content", "token"),
        .alpha = (gp_real)gp_opt_real(o, "stylip.alpha"),
    };
}

static gopro_status declare(gp_params *p, const gp_setup *s, gopro_error *err)
{
    const settings c = read_settings(s);
    GP_TRY(gp_context_declare(p, s->M, c.frg.Dt, s->word_ctx, err));
    GP_TRY(gp_frg_declare(p, &c.frg, err));
    GP_TRY(gp_token_nets_declare(p, "rho", s->M, c.frg.L, c.frg.Dt, c.decoder_bias, err));
    return gp_params_add_linear(p, "content", c.to_tokens ? c.frg.Dt : gp_model_arch(s->model)->embed, c.frg.Dt, true, true, err);
}

typedef struct common {
    settings c;
    gp_var tokens; /* [B M, Dt] */
    gp_var h;      /* [B, E] content shift of the text features, or [B, Dt] of the tokens */
} common;

/* h = Wc (1/L) sum_l F^con_l + bc */
static gp_var content_shift(gp_tape *t, gp_step *s, const settings *c, gp_var *f)
{
    const size_t L = c->frg.L;
    gp_real *mean = gp_arena_alloc(gp_tape_arena(t), L, sizeof *mean);
    if (!mean) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a step");
        return (gp_var){0};
    }
    for (size_t l = 0; l < L; l++) mean[l] = (gp_real)(1.0 / (double)L);
    gp_frg_half(t, s->p, &c->frg, (gp_stats){s->view[0].mu, s->view[0].sigma}, s->B, GP_FRG_CONTENT, f);
    return gp_linear(t, gp_mix_layers(t, gp_const(mean, 1, L), f, L), gp_param(s->p, "content.weight"), gp_param(s->p, "content.bias"));
}

/* tokens ctx_m + Delta_m(F^sty), and h */
static void shared(gp_tape *t, gp_step *s)
{
    const size_t M = s->setup->M;
    common *m = gp_arena_alloc(gp_tape_arena(t), 1, sizeof *m);
    const settings c = read_settings(s->setup);
    gp_var *f = gp_arena_alloc(gp_tape_arena(t), c.frg.L, sizeof *f);
    s->shared = m;
    if (!m || !f) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a step");
        return;
    }
    m->c = c;
    m->h = content_shift(t, s, &c, f);
    gp_frg_half(t, s->p, &c.frg, (gp_stats){s->view[0].mu, s->view[0].sigma}, s->B, GP_FRG_STYLE, f);
    gp_var shift = gp_token_nets(t, s->p, "rho", M, f, c.frg.L);
    if (c.to_tokens) shift = gp_axpby(t, 1, shift, 1, gp_repeat_rows(t, m->h, M));
    if (s->ctx_shift && shift.v) memcpy(s->ctx_shift, shift.v, shift.rows * shift.cols * sizeof *shift.v);
    m->tokens = gp_add_tiled(t, shift, gp_param(s->p, "ctx"));
}

/* l_bk = s <v^_b, n(n(t_k) + alpha h_b)> */
static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    const common *m = s->shared;
    const size_t E = gp_model_arch(s->setup->model)->embed;
    const gp_var raw = gp_text_per_image(t, s, m->tokens, first, n);
    gp_step_show(s, "text_features", raw);
    gp_var text = gp_unit_rows(t, raw, 1);
    if (!m->c.to_tokens) text = gp_unit_rows(t, gp_axpby(t, 1, text, m->c.alpha, gp_repeat_rows(t, gp_rows(t, m->h, first, n), s->K)), 1);
    gp_step_logits(t, s, first, gp_row_dots(t, gp_const(s->view[0].feat + first * E, n, E), text, (gp_real)s->logit_scale));
}

static const gp_method_default defaults[] = {
    {"optim.epochs", "50", "50"},
    {"optim.batch", "4", "4"},
    {"optim.lr", "0.002", "0.002"},
    {0},
};

const gp_method gp_method_stylip = {
    .name = "stylip",
    .title = "StyLIP",
    .wants = GP_WANT_STATS | GP_WANT_TEXT,
    .defaults = defaults,
    .views = gp_views_crop,
    .declare = declare,
    .shared = shared,
    .images = images,
};
