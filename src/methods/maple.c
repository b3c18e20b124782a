/* maple.c - MaPLe (METHODS 3.5): learnt prompts in the first blocks of both towers, the image tower's mapped from the text tower's.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "methods/methods.h"

static const gp_method_default defaults[] = {
    {"M", "2", "2"},
    {"maple.depth", "9", "3"},
    {"optim.lr", "0.0035", "0.0026"},
    {"optim.epochs", "5", "2"},
    {"optim.batch", "4", "4"},
    {0},
};

/* J: prompts of their own for the first J blocks, as far as both towers have them. */
static size_t depth(const gp_setup *s)
{
    const gp_clip_arch *a = gp_model_arch(s->model);
    return gp_min_size((size_t)gp_opt_int(s->opt, "maple.depth"), gp_min_size(a->t.layers, a->v.layers));
}

static gopro_status declare(gp_params *p, const gp_setup *s, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(s->model);
    return gp_coupled_declare(p, s->M, depth(s), a->t.width, a->v.width, s->word_ctx, err);
}

/* Text: rows 1 .. n are ctx in the input and p_l in front of block l = 2 .. J. */
static gp_var class_features(gp_tape *t, gp_step *s)
{
    const gp_pair *pairs = gp_all_classes(gp_tape_arena(t), s->K);
    if (!pairs) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for text features");
        return (gp_var){0};
    }
    const gp_var ctx = gp_param(s->p, "ctx"), deep = gp_coupled_text(t, s->p, depth(s->setup));
    const gp_var text = gp_text_encode_deep(t, s->setup->model, s->plan, ctx, deep, 1, pairs, s->K);
    gp_step_show(s, "text_features", text);
    return gp_unit_rows(t, text, 1);
}

/* The image prompts are the same for all images; not needed where the features are known. */
static void shared(gp_tape *t, gp_step *s)
{
    gp_var *prompts = gp_arena_alloc(gp_tape_arena(t), 1, sizeof *prompts);
    if (!prompts) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for a step");
        return;
    }
    *prompts = s->view[0].pixels ? gp_coupled_image(t, s->p, depth(s->setup)) : (gp_var){0};
    s->shared = prompts;
}

/* Image: the last n rows are proj(ctx) in the input, in front of ln_pre, and proj_l(p_l) in front of block l; v^ [n, E]. */
static gp_var encode(gp_tape *t, const gp_step *s, size_t first, size_t n)
{
    const gp_clip_arch *a = gp_model_arch(s->setup->model);
    const gp_view *x = &s->view[0];
    if (!x->pixels) return gp_const(x->feat + first * a->embed, n, a->embed);
    const gp_var *prompts = s->shared;
    const gp_real *pixels = x->pixels + first * 3 * a->image * a->image;
    const gp_var v = gp_image_encode(t, s->setup->model, *prompts, depth(s->setup), pixels, n);
    gp_step_show(s, "image_features", v);
    return gp_unit_rows(t, v, 1);
}

/* l_k = s <v^, t^_k>, L_ce */
static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    gp_step_classify(t, s, first, encode(t, s, first, n));
}

static void embed(gp_tape *t, gp_step *s, gp_real *out)
{
    shared(t, s);
    const gp_var v = gp_tape_failed(t) ? (gp_var){0} : encode(t, s, 0, s->B);
    if (v.v) memcpy(out, v.v, v.rows * v.cols * sizeof *out);
}

const gp_method gp_method_maple = {
    .name = "maple",
    .title = "MaPLe",
    .wants = GP_WANT_PIXELS,
    .keeps_words = true,
    .defaults = defaults,
    .views = gp_views_crop,
    .declare = declare,
    .class_features = class_features,
    .shared = shared,
    .images = images,
    .embed = embed,
};
