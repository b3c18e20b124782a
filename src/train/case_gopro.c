/* case_gopro.c - parity cases of GOPro as its released code computes it.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "train/step_case_kinds.h"

static const gp_case_option option[] = {
    {"pv_in_ce", "gopro_release.pv_in_ce", NULL},
    {"train_q", "gopro_release.train_q", NULL},
    {"sem", "gopro_release.sem", NULL},
    {"tau", "gopro_release.tau", "0.1"},
    {"lambda_ce", "gopro_release.lambda_ce", "1"},
    {"lambda_sem1", "gopro_release.lambda_sem1", "1"},
    {"lambda_sem2", "gopro_release.lambda_sem2", "1"},
    {"lambda_con", "gopro_release.lambda_con", "0.1"},
    {NULL, NULL, NULL},
};

static const gp_case_output output[] = {
    {"image.text_features", "NKE"}, {"view_moco.text_features", "NKE"}, {"view_augmix.text_features", "NKE"},
    {"image.ctx_shift", "NT"},      {"view_moco.ctx_shift", "NT"},      {"view_augmix.ctx_shift", "NT"},
    {"simproj.image", "NE"},        {"simproj.view_moco", "NE"},        {NULL, NULL},
};

static void stats(const gp_case *c, bool stats[GP_MAX_VIEWS])
{
    stats[0] = true;
    stats[1] = gp_opt_real(c->opt, "gopro_release.lambda_sem1") > 0;
    stats[2] = gp_opt_real(c->opt, "gopro_release.lambda_sem2") > 0;
}

/* The features of every view, and the running statistics after the step. */
static gopro_status extra(gp_case *c, gp_tape *t, const gp_step *s, gp_case_results *r, gp_arena *a, gopro_error *err)
{
    const size_t E = gp_model_arch(c->model)->embed;
    (void)t, (void)a, (void)err;
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) {
        char name[64];
        if (!s->view[v].raw) continue;
        snprintf(name, sizeof name, "out.%s.image_features", c->kind->view[v]);
        gp_case_put(r, name, (const size_t[]){c->B, E}, 2, s->view[v].raw);
    }
    gp_case_put(r, "out.batchnorm.running_mean", &E, 1, gp_param(c->p, "batchnorm.running_mean").v);
    gp_case_put(r, "out.batchnorm.running_var", &E, 1, gp_param(c->p, "batchnorm.running_var").v);
    return GOPRO_OK;
}

const gp_case_kind gp_case_gopro = {
    .name = "gopro",
    .method = &gp_method_gopro_release,
    .view = {"image", "view_moco", "view_augmix"},
    .option = option,
    .output = output,
    .terms = true,
    .own_image_features = true,
    .stats = stats,
    .extra = extra,
};
