/* cocoop.c - CoCoOp (METHODS 3.4): a small net reads the image's feature and shifts every context token alike.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "methods/methods.h"

static gopro_status declare(gp_params *p, const gp_setup *s, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(s->model);
    GP_TRY(gp_context_declare(p, s->M, a->t.width, s->word_ctx, err));
    return gp_bias_net_declare(p, "meta_net", a->embed, a->t.width, err);
}

/* pi_b = W2 relu(W1 v^_b + b1) + b2; the contexts of image b are ctx_m + pi_b */
static void shared(gp_tape *t, gp_step *s)
{
    const size_t M = s->setup->M, E = gp_model_arch(s->setup->model)->embed;
    gp_var *tokens = gp_arena_alloc(gp_tape_arena(t), 1, sizeof *tokens);
    s->shared = tokens;
    if (!tokens) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a step");
        return;
    }
    const gp_var pi = gp_bias_net(t, s->p, "meta_net", gp_const(s->view[0].feat, s->B, E));
    gp_step_show(s, "ctx_shift", pi);
    const gp_var shift = gp_repeat_rows(t, pi, M);
    if (s->ctx_shift && shift.v) memcpy(s->ctx_shift, shift.v, shift.rows * shift.cols * sizeof *shift.v);
    *tokens = gp_add_tiled(t, shift, gp_param(s->p, "ctx"));
}

/* l_bk = s <v^_b, n(t_k(ctx + pi_b))> */
static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    const size_t E = gp_model_arch(s->setup->model)->embed;
    const gp_var *tokens = s->shared;
    const gp_var text = gp_text_per_image(t, s, *tokens, first, n);
    gp_step_show(s, "text_features", text);
    const gp_var v = gp_const(s->view[0].feat + first * E, n, E);
    gp_step_logits(t, s, first, gp_row_dots(t, v, gp_unit_rows(t, text, 1), (gp_real)s->logit_scale));
}

static const gp_method_default defaults[] = {
    {"optim.epochs", "10", "10"},
    {"optim.batch", "1", "1"},
    {"optim.lr", "0.002", "0.002"},
    {0},
};

const gp_method gp_method_cocoop = {
    .name = "cocoop",
    .title = "CoCoOp",
    .wants = GP_WANT_TEXT,
    .defaults = defaults,
    .views = gp_views_crop,
    .declare = declare,
    .shared = shared,
    .images = images,
};
