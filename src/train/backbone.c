/* backbone.c - see backbone.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/backbone.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "methods/method.h"
#include "text/prompts.h"
#include "train/import.h"

void gp_backbone_free(gp_backbone **b)
{
    if (!b || !*b) return;
    gp_tokenizer_free(&(*b)->tok);
    gp_model_free(&(*b)->model);
    gp_clip_free(&(*b)->weights);
    gp_compute_free(&(*b)->compute);
    free((*b)->path);
    free(*b);
    *b = NULL;
}

gopro_status gp_backbone_load(gp_backbone **b, const char *path, const gp_options *o, gopro_error *err)
{
    *b = NULL;
    gp_backbone *x = calloc(1, sizeof *x);
    gopro_status st;
    if (!x || !(x->path = gp_strdup(path))) {
        st = gp_fail_nomem(err, sizeof *x, "the model");
        goto out;
    }
    x->precision = gp_opt_is(o, "precision", "bf16") ? GP_BF16 : GP_F32;
    GP_CHECK(gp_compute_create(&x->compute, (size_t)gp_opt_int(o, "threads"), getenv("GOPRO_CPU"), err));
    GP_CHECK(gp_import_load(&x->weights, &x->tok, path, o, err));
    GP_CHECK(gp_model_create(&x->model, x->compute, x->weights, x->precision, false, err));
out:
    if (st == GOPRO_OK)
        *b = x;
    else
        gp_backbone_free(&x);
    return st;
}

gopro_status gp_backbone_plan(gp_text_plan **plan, const gp_backbone *b, const char *const *class_name, size_t K, const char *tmpl,
                              size_t M, gp_ctx_pos pos, gopro_error *err)
{
    gp_prompt_set *set = NULL;
    gp_prompt *p = NULL;
    gopro_status st = gp_prompts_build(&set, b->tok, class_name, K, tmpl, gp_model_arch(b->model)->context, err);
    if (st != GOPRO_OK) return st;
    p = calloc(K, sizeof *p);
    if (!p) {
        st = gp_fail_nomem(err, K * sizeof *p, "prompts");
        goto out;
    }
    for (size_t k = 0; k < K; k++) {
        p[k].ids = set->ids[k];
        p[k].n = set->n[k];
        p[k].name_len = set->name_len[k];
    }
    st = gp_text_plan_create(plan, b->model, p, K, M, pos, err);
out:
    free(p);
    gp_prompts_free(&set);
    return st;
}

void gp_arch_views(gp_view_config *vc, const gp_clip_arch *a, const gp_options *o)
{
    memset(vc, 0, sizeof *vc);
    vc->size = (uint32_t)a->image;
    vc->resize = (uint32_t)a->resize;
    vc->bilinear = a->bilinear;
    memcpy(vc->mean, a->mean, sizeof vc->mean);
    memcpy(vc->std, a->std, sizeof vc->std);
    vc->scaled_decode = gp_opt_bool(o, "data.scaled_decode");
    vc->scale_min = gp_opt_real(o, "views.scale_min");
    vc->scale_max = gp_opt_real(o, "views.scale_max");
    vc->moco_recipe = gp_opt_is(o, "gopro.moco_recipe", "random") ? 0 : gp_opt_is(o, "gopro.moco_recipe", "2") ? 2 : 1;
    vc->augmix_severity = (int)gp_opt_int(o, "gopro.augmix_severity");
    vc->augmix_own_crop = gp_opt_is(o, "gopro.augmix_base", "own_crop");
    const gp_method *m = gp_method_find(gp_opt_string(o, "method"));
    if (m && m->view_config) m->view_config(o, vc);
}

void gp_backbone_views(gp_view_config *vc, const gp_backbone *b, const gp_options *o)
{
    gp_arch_views(vc, gp_model_arch(b->model), o);
}
