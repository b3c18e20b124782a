/* fit.c - what a method keeps of the shots before its first step: their clean features, computed once.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "methods/methods.h"
#include "train/train.h"

#define GP_FIT_BATCH 32

static gopro_status features(gp_real *feat, const gp_learner *l, const char *root, const gp_item *item, size_t n, gp_real *pixels,
                             gopro_error *err)
{
    const size_t E = gp_model_arch(l->bb->model)->embed;
    gp_view_config vc;
    gp_backbone_views(&vc, l->bb, l->opt);
    GP_TRY(gp_test_pixels(pixels, root, item, n, &vc, l->bb->compute->pool, err));
    GP_TRY(gp_vision_fwd(l->bb->model, feat, NULL, NULL, pixels, n, err));
    for (size_t i = 0; i < n; i++) gp_unit(feat + i * E, l->bb->compute->k, E);
    return GOPRO_OK;
}

gopro_status gp_train_fit(gp_learner *l, const char *root, const gp_item *item, size_t n, gopro_error *err)
{
    if (!l->method->fit) return GOPRO_OK;
    const gp_clip_arch *a = gp_model_arch(l->bb->model);
    const size_t per_image = 3 * a->image * a->image;
    gp_real *feat = malloc((n * a->embed + GP_FIT_BATCH * per_image) * sizeof *feat);
    uint32_t *label = malloc((n + 1) * sizeof *label);
    gopro_status st = feat && label ? GOPRO_OK : gp_fail_nomem(err, n * a->embed * sizeof *feat, "the features of the shots");
    for (size_t i = 0; st == GOPRO_OK && i < n; i += GP_FIT_BATCH)
        st = features(feat + i * a->embed, l, root, item + i, gp_min_size(GP_FIT_BATCH, n - i), feat + n * a->embed, err);
    for (size_t i = 0; st == GOPRO_OK && i < n; i++) label[i] = item[i].label;
    if (st == GOPRO_OK) st = l->method->fit(l->p, &l->setup, &(gp_shots){feat, label, n}, err);
    free(feat);
    free(label);
    return st;
}
