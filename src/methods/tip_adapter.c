/* tip_adapter.c - Tip-Adapter (Zhang et al., ECCV 2022): zero-shot logits and a cache of the shots' features.
 *   l_k = s <v^, t^_k> + alpha sum_{n: y_n = k} exp(-beta (1 - <v^, F_n>))
 * F_n: normalised features of the shots, as test images are seen (the published code averages ten augmented views of each).  tip.finetune
 * learns F by L_ce (Tip-Adapter-F); otherwise nothing is trained.  A class without shots keeps its zero-shot logit.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "methods/methods.h"

static size_t shots(const gp_setup *s)
{
    return (size_t)gp_opt_int(s->opt, "shots");
}

/* Shots belong to classes by name; a class that has none may stand in a label set all the same. */
static void prepare(gp_setup *s)
{
    s->csc = true;
    s->open_set = true;
}

/* keys [K S, E], S rows a class; used [K S]: 1 where a row is a shot */
static gopro_status declare(gp_params *p, const gp_setup *s, gopro_error *err)
{
    const size_t rows = s->K * shots(s), shape[] = {rows, gp_model_arch(s->model)->embed};
    GP_TRY(gp_params_add_state(p, "cache.used", shape, 1, 0, err));
    if (!gp_opt_bool(s->opt, "tip.finetune")) return gp_params_add_state(p, "cache.keys", shape, 2, 0, err);
    return gp_params_add(p, "cache.keys", shape, 2, GP_INIT_ZERO, 0, NULL, err);
}

static gopro_status fit(gp_params *p, const gp_setup *s, const gp_shots *x, gopro_error *err)
{
    const size_t S = shots(s), E = gp_model_arch(s->model)->embed;
    gp_real *key = gp_param(p, "cache.keys").v, *used = gp_param(p, "cache.used").v;
    for (size_t i = 0; i < x->n; i++) {
        size_t j = x->label[i] * S;
        while (j < (x->label[i] + 1) * S && used[j] > 0) j++;
        if (j == (x->label[i] + 1) * S) return gp_fail(err, GOPRO_E_DATA, "class %u has more than %zu shots", x->label[i], S);
        memcpy(key + j * E, x->feat + i * E, E * sizeof *key);
        used[j] = 1;
    }
    return GOPRO_OK;
}

static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    const size_t E = gp_model_arch(s->setup->model)->embed;
    const gp_options *o = s->setup->opt;
    const gp_var v = gp_const(s->view[0].feat + first * E, n, E);
    const gp_var similar = gp_matmul_nt(t, v, gp_param(s->p, "cache.keys"), 1);
    const gp_var cache = gp_affinity(t, similar, gp_param(s->p, "cache.used").v, s->setup->K, (gp_real)gp_opt_real(o, "tip.beta"));
    const gp_var clip = gp_matmul_nt(t, v, s->text, (gp_real)s->logit_scale);
    gp_step_logits(t, s, first, gp_axpby(t, 1, clip, (gp_real)gp_opt_real(o, "tip.alpha"), gp_columns(t, cache, s->class_row, s->K)));
}

static const gp_method_default defaults[] = {
    {"optim.lr", "0.001", "0.001"},
    {"optim.epochs", "20", "20"},
    {"optim.batch", "32", "32"},
    {NULL, NULL, NULL},
};

const gp_method gp_method_tip_adapter = {
    .name = "tip_adapter",
    .title = "Tip-Adapter",
    .wants = GP_WANT_TEMPLATES,
    .defaults = defaults,
    .prepare = prepare,
    .views = gp_views_crop,
    .declare = declare,
    .fit = fit,
    .class_features = gp_template_features,
    .images = images,
};
