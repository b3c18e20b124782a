/* coop.c - CoOp (METHODS 3.3, 2.6): context tokens learnt directly, one set for all classes or one for each.
 * SPDX-License-Identifier: Apache-2.0 */
#include "methods/methods.h"

static void prepare(gp_setup *s)
{
    s->pos = gp_opt_is(s->opt, "coop.position", "front")    ? GP_POS_FRONT
             : gp_opt_is(s->opt, "coop.position", "middle") ? GP_POS_MIDDLE
                                                            : GP_POS_END;
    s->csc = gp_opt_bool(s->opt, "coop.csc");
}

static gopro_status declare(gp_params *p, const gp_setup *s, gopro_error *err)
{
    const size_t Dt = gp_model_arch(s->model)->t.width;
    if (s->csc) return gp_class_contexts_declare(p, s->K, s->M, Dt, s->word_ctx, err);
    return gp_context_declare(p, s->M, Dt, s->word_ctx, err);
}

/* [K M, Dt]: the context of every class of the label set */
static gp_var class_contexts(gp_tape *t, gp_step *s, gp_pair *pair)
{
    const size_t M = s->setup->M, rows = s->K * M;
    const gp_var ctx = gp_param(s->p, "ctx");
    for (size_t k = 0; k < s->K; k++) pair[k].context = (uint32_t)k;
    if (!s->class_row) return ctx;
    uint32_t *row = gp_arena_alloc(gp_tape_arena(t), rows, sizeof *row);
    for (size_t i = 0; row && i < rows; i++) row[i] = s->class_row[i / M] * (uint32_t)M + (uint32_t)(i % M);
    if (row) return gp_gather(t, ctx, row, rows);
    gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the contexts of the classes");
    return (gp_var){0};
}

/* t^_k = n(t_k(ctx)) or n(t_k(ctx_k)), once for all images */
static gp_var class_features(gp_tape *t, gp_step *s)
{
    gp_pair *pair = gp_all_classes(gp_tape_arena(t), s->K);
    if (!pair) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for text features");
        return (gp_var){0};
    }
    const bool csc = s->setup->csc;
    const gp_var ctx = csc ? class_contexts(t, s, pair) : gp_param(s->p, "ctx");
    if (gp_tape_failed(t)) return (gp_var){0};
    const gp_var text = gp_text_encode(t, s->setup->model, s->plan, ctx, csc ? s->K : 1, pair, s->K);
    gp_step_show(s, "text_features", text);
    return gp_unit_rows(t, text, 1);
}

/* l_bk = s <v^_b, t^_k> */
static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    const size_t E = gp_model_arch(s->setup->model)->embed;
    gp_step_classify(t, s, first, gp_const(s->view[0].feat + first * E, n, E));
}

static const gp_method_default defaults[] = {
    {"optim.epochs", "200", "50"},
    {"optim.batch", "32", "32"},
    {"optim.lr", "0.002", "0.002"},
    {0},
};

const gp_method gp_method_coop = {
    .name = "coop",
    .title = "CoOp",
    .defaults = defaults,
    .prepare = prepare,
    .views = gp_views_crop,
    .declare = declare,
    .class_features = class_features,
    .images = images,
};
