/* slip.c - CLIP lightly adapted with SLIP's two losses (METHODS 3.2b): a visual projector under an image-text and a SimCLR loss.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "losses/info_nce.h"
#include "methods/methods.h"

enum { X, A, B }; /* the image, two SimCLR views of it */

static void views(const gp_setup *s, gp_view_kind kind[GP_MAX_VIEWS])
{
    (void)s;
    kind[X] = GP_VIEW_CROP;
    kind[A] = GP_VIEW_SSL_A;
    kind[B] = GP_VIEW_SSL_B;
}

static gopro_status declare(gp_params *p, const gp_setup *s, gopro_error *err)
{
    const size_t E = gp_model_arch(s->model)->embed;
    if (!s->case_file && gp_opt_int(s->opt, "optim.batch") < 2)
        return gp_fail(err, GOPRO_E_INVALID, "the head of slip normalises over the batch and needs optim.batch of at least 2");
    GP_TRY(gp_projector_declare(p, GP_PV_RESIDUAL, E, err));
    return gp_ssl_head_declare(p, "head", E, (size_t)gp_opt_int(s->opt, "slip.mlp_dim"), err);
}

/* P_v(v^) = v^ + alpha (W v^ + b) */
static gp_var project(gp_tape *t, gp_step *s, const gp_view *view)
{
    const gp_var v = gp_const(view->feat, s->B, gp_model_arch(s->setup->model)->embed);
    return gp_projector(t, s->p, GP_PV_RESIDUAL, (gp_real)gp_opt_real(s->setup->opt, "slip.alpha"), v, s->training);
}

/* l_bk = s <n(P_v(v^_b)), t^_k>; L_clip: their cross-entropy, or InfoNCE against the captions of the batch */
static void images(gp_tape *t, gp_step *s, size_t first, size_t n)
{
    const gp_var w = gp_unit_rows(t, gp_rows(t, project(t, s, &s->view[X]), first, n), 1);
    const gp_var logits = gp_matmul_nt(t, w, s->text, (gp_real)s->logit_scale);
    if (gp_tape_failed(t)) return;
    if (s->logits) memcpy(s->logits + first * s->K, logits.v, n * s->K * sizeof *logits.v);
    if (!s->training) return;
    gp_step_term(t, s, "clip", 1,
                 gp_opt_is(s->setup->opt, "slip.clip_loss", "ce") ? gp_cross_entropy(t, logits, s->label + first, s->B)
                                                                  : gp_info_nce(t, w, s->text, s->label, s->logit_scale));
}

/* L_ssl = NT-Xent(head(P_v(v^(a))), head(P_v(v^(b)))); each view is a batch of its own for the head */
static void batch(gp_tape *t, gp_step *s)
{
    const gp_var a = gp_ssl_head(t, s->p, "head", project(t, s, &s->view[A]), true);
    const gp_var b = gp_ssl_head(t, s->p, "head", project(t, s, &s->view[B]), true);
    if (!gp_tape_failed(t)) gp_step_term(t, s, "ssl", 1, gp_nt_xent(t, a, b, (gp_real)gp_opt_real(s->setup->opt, "slip.tau")));
}

static void embed(gp_tape *t, gp_step *s, gp_real *out)
{
    const gp_var w = gp_unit_rows(t, project(t, s, &s->view[X]), 1);
    if (w.v) memcpy(out, w.v, w.rows * w.cols * sizeof *out);
}

static const gp_method_default defaults[] = {
    {"optim.epochs", "50", "50"},
    {"optim.batch", "32", "32"},
    {"optim.lr", "0.002", "0.002"},
    {0},
};

const gp_method gp_method_slip = {
    .name = "slip",
    .title = "SLIP",
    .wants = GP_WANT_TEMPLATES,
    .training_only = "head.",
    .defaults = defaults,
    .views = views,
    .declare = declare,
    .class_features = gp_template_features,
    .images = images,
    .batch = batch,
    .embed = embed,
};
