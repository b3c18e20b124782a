/* ssl_head.c - the SimCLR head of SLIP: three linear layers with batch normalisation between (METHODS 3.2).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "prompts/prompts.h"

#define OUT 256

static gopro_status declare_bn(gp_params *p, const char *name, size_t H, gopro_error *err)
{
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    GP_TRY(gp_params_add(p, full, &H, 1, GP_INIT_ONE, 0, NULL, err));
    snprintf(full, sizeof full, "%s.bias", name);
    GP_TRY(gp_params_add(p, full, &H, 1, GP_INIT_ZERO, 0, NULL, err));
    snprintf(full, sizeof full, "%s.running_mean", name);
    GP_TRY(gp_params_add_state(p, full, &H, 1, 0, err));
    snprintf(full, sizeof full, "%s.running_var", name);
    return gp_params_add_state(p, full, &H, 1, 1, err);
}

gopro_status gp_ssl_head_declare(gp_params *p, const char *name, size_t E, size_t H, gopro_error *err)
{
    const size_t in[] = {E, H, H}, out[] = {H, H, OUT};
    for (int i = 0; i < 3; i++) {
        char full[64];
        snprintf(full, sizeof full, "%s.layer%d", name, i + 1);
        GP_TRY(gp_params_add_linear(p, full, out[i], in[i], false, true, err));
        snprintf(full, sizeof full, "%s.bn%d", name, i + 1);
        if (i < 2) GP_TRY(declare_bn(p, full, H, err));
    }
    return GOPRO_OK;
}

static gp_var part(gp_params *p, const char *name, const char *layer, int i, const char *what)
{
    char full[96];
    snprintf(full, sizeof full, "%s.%s%d.%s", name, layer, i, what);
    return gp_param(p, full);
}

gp_var gp_ssl_head(gp_tape *t, gp_params *p, const char *name, gp_var x, bool training)
{
    for (int i = 1; i <= 2; i++) {
        x = gp_linear(t, x, part(p, name, "layer", i, "weight"), part(p, name, "layer", i, "bias"));
        x = gp_batchnorm(t, x, part(p, name, "bn", i, "weight"), part(p, name, "bn", i, "bias"), part(p, name, "bn", i, "running_mean").v,
                         part(p, name, "bn", i, "running_var").v, training);
        x = gp_relu(t, x);
    }
    return gp_linear(t, x, part(p, name, "layer", 3, "weight"), part(p, name, "layer", 3, "bias"));
}
