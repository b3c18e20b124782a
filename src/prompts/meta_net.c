/* meta_net.c - the small nets that turn what is known of an image into shifts of the context tokens (METHODS 3.4, 3.6, 3.7 step 3).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "prompts/prompts.h"

static gopro_status declare_mix(gp_params *p, const char *name, size_t M, size_t L, gopro_error *err)
{
    char full[96];
    const size_t shape[] = {M, L};
    snprintf(full, sizeof full, "%s.mix", name);
    return gp_params_add(p, full, shape, 2, GP_INIT_UNIFORM, 1 / sqrt((double)L), NULL, err);
}

static gopro_status declare_codec(gp_params *p, const char *name, size_t Dt, bool decoder_bias, gopro_error *err)
{
    char full[96];
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

/* W2 relu(W1 u + b1) + b2 */
static gp_var codec(gp_tape *t, gp_params *p, const char *name, gp_var u)
{
    const gp_var h = gp_relu(t, gp_linear(t, u, part(p, name, "encoder.weight"), part(p, name, "encoder.bias")));
    return gp_linear(t, h, part(p, name, "decoder.weight"), part(p, name, "decoder.bias"));
}

gopro_status gp_meta_net_declare(gp_params *p, const char *name, size_t M, size_t L, size_t Dt, bool decoder_bias, gopro_error *err)
{
    GP_TRY(declare_mix(p, name, M, L, err));
    return declare_codec(p, name, Dt, decoder_bias, err);
}

/* u_m = sum_l a_ml F_l, Delta_m = W2 relu(W1 u_m + b1) + b2 */
gp_var gp_meta_net(gp_tape *t, gp_params *p, const char *name, const gp_var *f, size_t L)
{
    return codec(t, p, name, gp_mix_layers(t, part(p, name, "mix"), f, L));
}

gopro_status gp_token_nets_declare(gp_params *p, const char *name, size_t M, size_t L, size_t Dt, bool decoder_bias, gopro_error *err)
{
    GP_TRY(declare_mix(p, name, M, L, err));
    for (size_t m = 0; m < M; m++) {
        char net[64];
        snprintf(net, sizeof net, "%s.%zu", name, m);
        GP_TRY(declare_codec(p, net, Dt, decoder_bias, err));
    }
    return GOPRO_OK;
}

/* Delta_m = W2_m relu(W1_m u_m + b1_m) + b2_m; rows [n M]: image by image.  Token m's rows of all images go through its net together. */
gp_var gp_token_nets(gp_tape *t, gp_params *p, const char *name, size_t M, const gp_var *f, size_t L)
{
    const gp_var u = gp_mix_layers(t, part(p, name, "mix"), f, L), none = {0};
    const size_t rows = u.rows, n = rows / M;
    gp_var *shift = gp_arena_alloc(gp_tape_arena(t), M, sizeof *shift);
    uint32_t *idx = gp_arena_alloc(gp_tape_arena(t), rows + 1, sizeof *idx);
    if (!u.v) return none;
    if (!shift || !idx) {
        gp_tape_fail(t, GOPRO_E_NOMEM, "out of memory for the token nets");
        return none;
    }
    for (size_t m = 0; m < M; m++) {
        char net[64];
        snprintf(net, sizeof net, "%s.%zu", name, m);
        for (size_t b = 0; b < n; b++) idx[b] = (uint32_t)(b * M + m);
        shift[m] = codec(t, p, net, gp_gather(t, u, idx, n));
    }
    for (size_t i = 0; i < rows; i++) idx[i] = (uint32_t)(i % M * n + i / M);
    return gp_gather(t, gp_concat_rows(t, shift, M), idx, rows);
}

gopro_status gp_bias_net_declare(gp_params *p, const char *name, size_t E, size_t Dt, gopro_error *err)
{
    char full[96];
    snprintf(full, sizeof full, "%s.linear1", name);
    GP_TRY(gp_params_add_linear(p, full, gp_bottleneck(E), E, false, true, err));
    snprintf(full, sizeof full, "%s.linear2", name);
    return gp_params_add_linear(p, full, Dt, gp_bottleneck(E), false, true, err);
}

/* pi = W2 relu(W1 x + b1) + b2 */
gp_var gp_bias_net(gp_tape *t, gp_params *p, const char *name, gp_var x)
{
    const gp_var h = gp_relu(t, gp_linear(t, x, part(p, name, "linear1.weight"), part(p, name, "linear1.bias")));
    return gp_linear(t, h, part(p, name, "linear2.weight"), part(p, name, "linear2.bias"));
}
