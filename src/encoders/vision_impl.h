/* vision_impl.h - the image tower's input step, shared by inference and training.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ENCODERS_VISION_IMPL_H
#define GP_ENCODERS_VISION_IMPL_H

#include "encoders/model_impl.h"
#include "encoders/slots.h"

/* METHODS 1.3 steps 1 and 2, 3.5.  x [B T, width]: the T rows of an image are the class row, its N patches, then n_prompt rows of
 * prompt [n_prompt, width] (without positions).  patches [B T, 3 P P] (other rows zero), e [B T, width] (before ln_pre), mean, rstd
 * [B T]: kept for the backward pass, or all NULL. */
typedef struct gp_vision_embed {
    gp_model *m;
    const gp_real *pixels, *prompt;
    size_t n_prompt;
    gp_real *x, *patches, *e, *mean, *rstd;
    size_t rows;
} gp_vision_embed;
void gp_vision_embed_run(gp_vision_embed *v);

size_t gp_vision_rows(const gp_model *m, size_t n_prompt); /* T, rows of one image */
gp_slots gp_vision_slots(const gp_model *m, size_t n, size_t B);

/* Inference in pieces that bound memory, with prompts (n = 0: none) or statistics. */
gopro_status gp_vision_chunks(gp_model *m, const gp_slot_rows *p, gp_real *feat, gp_real *mu, gp_real *sigma, const gp_real *pixels,
                              size_t B, gopro_error *err);

/* METHODS 1.3 step 4: feat [B, embed] or token [B, width] (before the projection) from the class rows x [B, width], the other one NULL;
 * mean, rstd [B] may be NULL. */
typedef struct gp_vision_head {
    gp_model *m;
    gp_real *feat, *token, *mean, *rstd;
    const gp_real *x;
} gp_vision_head;
void gp_vision_head_run(gp_vision_head *v, size_t B);

/* dx [B, width] = gradient of the class rows, from dfeat [B, embed] or, where that is NULL, dtoken [B, width].  u [B, width] (LN(x)) and
 * sum (partial sums of its gain and bias, [row blocks of B, 2 width]) are what weight gradients need, else NULL. */
typedef struct gp_vision_head_back {
    gp_model *m;
    gp_real *dx;
    const gp_real *dfeat, *dtoken, *x, *mean, *rstd;
    gp_real *u, *sum;
    size_t B;
} gp_vision_head_back;
void gp_vision_head_bwd(gp_vision_head_back *v);

#endif
