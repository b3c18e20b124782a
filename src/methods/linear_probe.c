/* linear_probe.c - a linear classifier on the frozen image features, what CLIP's own few-shot baseline is (no text needed, no new classes):
 *   l_k = <sqrt(E) v^, W_k> + b_k                      probe.start=zero
 *   l_k = s <v^, t^_k> + <sqrt(E) v^, W_k> + b_k       probe.start=text: zero-shot at the first step
 * sqrt(E) gives the features unit variance, so that one learning rate suits any width.  W = 0, b = 0 at start, L_ce.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "methods/methods.h"

static bool starts_from_text(const gp_setup *s)
{
    return gp_opt_is(s->opt, "probe.start", "text");
}

/* A row of W belongs to one class. */
static void prepare(gp_setup *s)
{
    s->csc = true;
}

static gopro_status declare(gp_params *p, const gp_setup *s, gopro_error *err)
{
    return gp_params_add_linear(p, "probe", s->K, gp_model_arch(s->model)->embed, true, true, err);
}

static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    const size_t E = gp_model_arch(s->setup->model)->embed;
    const gp_var v = gp_const(s->view[0].feat + first * E, n, E);
    const gp_var x = gp_scale(t, (gp_real)sqrt((double)E), v);
    const gp_var trained = gp_linear(t, x, gp_param(s->p, "probe.weight"), gp_param(s->p, "probe.bias"));
    gp_var logits = gp_columns(t, trained, s->class_row, s->K);
    if (starts_from_text(s->setup)) logits = gp_axpby(t, 1, gp_matmul_nt(t, v, s->text, (gp_real)s->logit_scale), 1, logits);
    gp_step_logits(t, s, first, logits);
}

static const gp_method_default defaults[] = {
    {"optim.lr", "0.002", "0.002"},
    {"optim.epochs", "50", "50"},
    {"optim.batch", "32", "32"},
    {NULL, NULL, NULL},
};

const gp_method gp_method_linear_probe = {
    .name = "linear_probe",
    .title = "Linear probe",
    .wants = GP_WANT_TEMPLATES,
    .defaults = defaults,
    .prepare = prepare,
    .views = gp_views_crop,
    .declare = declare,
    .class_features = gp_template_features,
    .images = images,
};
