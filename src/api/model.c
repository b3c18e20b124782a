/* model.c - the backbone behind the public interface.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "api/api.h"

gopro_status gopro_model_load(gopro_model **model, const char *path, const gopro_config *config, gopro_error *err)
{
    if (!model || !path || !config) return gp_fail(err, GOPRO_E_INVALID, "model, path or config is NULL");
    gopro_model *m = calloc(1, sizeof *m);
    *model = m;
    if (!m) return gp_fail_nomem(err, sizeof *m, "a model");
    gopro_status st = gp_backbone_load(&m->bb, path, config->o, err);
    if (st != GOPRO_OK) gopro_model_free(model);
    return st;
}

void gopro_model_free(gopro_model **model)
{
    if (!model || !*model) return;
    gp_backbone_free(&(*model)->bb);
    free(*model);
    *model = NULL;
}

const char *gopro_model_hash(const gopro_model *model)
{
    return model->bb->weights->hash;
}

size_t gopro_model_image_size(const gopro_model *model)
{
    return model->bb->weights->arch.image;
}

size_t gopro_model_embed_size(const gopro_model *model)
{
    return model->bb->weights->arch.embed;
}

const char *gopro_model_warning(const gopro_model *model)
{
    const char *w = model->bb->weights->found.warning;
    return w[0] ? w : NULL;
}
