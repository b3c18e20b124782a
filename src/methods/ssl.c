/* ssl.c - NT-Xent of two views on top of the image tower's class token, with gradients to every weight on the way.
 * SPDX-License-Identifier: Apache-2.0 */
#include "methods/ssl.h"

#include "losses/losses.h"
#include "prompts/prompts.h"

#define HEAD "image_mlp"

gopro_status gp_ssl_declare(gp_params *head, size_t width, size_t hidden, gopro_error *err)
{
    return gp_ssl_head_declare(head, HEAD, width, hidden, err);
}

static gopro_status run(gp_ssl *s, gp_tape *t, gp_model *m, gp_params *head, const gp_real *pixels, size_t B, gp_clip_weights *dw,
                        gopro_error *err)
{
    gp_vision_save *save = NULL;
    const gp_tape_mark start = gp_tape_mark_get(t);
    gp_var x = gp_tape_var(t, 2 * B, gp_model_arch(m)->v.width, true);
    GP_TRY(gp_tape_status(t, err));
    GP_TRY(gp_vision_train_token_fwd(m, gp_tape_arena(t), &save, x.v, pixels, 2 * B, err));
    gp_var a = gp_ssl_head(t, head, HEAD, gp_rows(t, x, 0, B), true), b = gp_ssl_head(t, head, HEAD, gp_rows(t, x, B, B), true);
    gp_var y = gp_nt_xent_scored(t, a, b, s->tau, &s->accuracy);
    GP_TRY(gp_tape_status(t, err));
    s->loss = (double)y.v[0];
    y.g[0] += s->scale;
    gp_reach(y);
    gp_tape_backward(t, start);
    GP_TRY(gp_tape_status(t, err));
    return gp_vision_train_token_bwd(m, save, x.g, dw, err);
}

gopro_status gp_ssl_run(gp_ssl *s, gp_tape *t, gp_model *m, gp_params *head, const gp_real *pixels, size_t B, gp_clip_weights *dw,
                        gopro_error *err)
{
    const gp_tape_mark mark = gp_tape_mark_get(t);
    gopro_status st = run(s, t, m, head, pixels, B, dw, err);
    gp_tape_pop(t, mark);
    return st;
}
