/* projector.c - the visual projector on normalised image features (METHODS 3.7 step 5).
 * SPDX-License-Identifier: Apache-2.0 */
#include "prompts/prompts.h"

gopro_status gp_projector_declare(gp_params *p, gp_projector_kind kind, size_t E, gopro_error *err)
{
    if (kind == GP_PV_OFF) return GOPRO_OK;
    GP_TRY(gp_params_add_linear(p, "projector", E, E, kind == GP_PV_RESIDUAL, true, err));
    if (kind == GP_PV_RESIDUAL) return GOPRO_OK;
    GP_TRY(gp_params_add(p, "projector.bn.weight", &E, 1, GP_INIT_ZERO, 0, NULL, err));
    GP_TRY(gp_params_add(p, "projector.bn.bias", &E, 1, GP_INIT_ZERO, 0, NULL, err));
    GP_TRY(gp_params_add_state(p, "projector.bn.running_mean", &E, 1, 0, err));
    return gp_params_add_state(p, "projector.bn.running_var", &E, 1, 1, err);
}

gp_var gp_projector(gp_tape *t, gp_params *p, gp_projector_kind kind, gp_real alpha, gp_var v, bool training)
{
    if (kind == GP_PV_OFF) return v;
    gp_var r = gp_linear(t, v, gp_param(p, "projector.weight"), gp_param(p, "projector.bias"));
    if (kind == GP_PV_LINEAR_BN)
        r = gp_batchnorm(t, r, gp_param(p, "projector.bn.weight"), gp_param(p, "projector.bn.bias"),
                         gp_param(p, "projector.bn.running_mean").v, gp_param(p, "projector.bn.running_var").v, training);
    return gp_axpby(t, 1, v, alpha, r);
}
