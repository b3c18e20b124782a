/* meta_net.c - the encoder-decoder that turns the features of an image's layers into shifts of the context tokens (METHODS 3.7 step 3).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "prompts/prompts.h"

gopro_status gp_meta_net_declare(gp_params *p, const char *name, size_t M, size_t L, size_t Dt, bool decoder_bias, gopro_error *err)
{
    char full[96];
    const size_t shape[] = {M, L};
    snprintf(full, sizeof full, "%s.mix", name);
    GP_TRY(gp_params_add(p, full, shape, 2, GP_INIT_UNIFORM, 1 / sqrt((double)L), NULL, err));
    snprintf(full, sizeof full, "%s.encoder", name);
    GP_TRY(gp_params_add_linear(p, full, gp_bottleneck(Dt), Dt, false, true, err));
    snprintf(full, sizeof full, "%s.decoder", name);
    return gp_params_add_linear(p, full, Dt, gp_bottleneck(Dt), true, decoder_bias, err);
}

static gp_var part(gp_params *p, const char *name, const char *what)
{
    char full[96];
    const gp_var none = {0};
    snprintf(full, sizeof full, "%s.%s", name, what);
    return gp_param_exists(p, full) ? gp_param(p, full) : none;
}

/* u_m = sum_l a_ml F_l, Delta_m = W2 relu(W1 u_m + b1) + b2 */
gp_var gp_meta_net(gp_tape *t, gp_params *p, const char *name, const gp_var *f, size_t L)
{
    const gp_var u = gp_mix_layers(t, part(p, name, "mix"), f, L);
    const gp_var h = gp_relu(t, gp_linear(t, u, part(p, name, "encoder.weight"), part(p, name, "encoder.bias")));
    return gp_linear(t, h, part(p, name, "decoder.weight"), part(p, name, "decoder.bias"));
}
