/* vision_impl.h - the image tower's input step, shared by inference and training.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ENCODERS_VISION_IMPL_H
#define GP_ENCODERS_VISION_IMPL_H

#include "encoders/model_impl.h"

/* METHODS 1.3 steps 1 and 2.  x [B (N+1), width]: rows of an image are the class row, then its patches.  patches [B (N+1), 3 P P] (class
 * rows zero), e [B (N+1), width] (before ln_pre), mean, rstd [B (N+1)]: kept for the backward pass, or all NULL. */
typedef struct gp_vision_embed {
    gp_model *m;
    const gp_real *pixels;
    gp_real *x, *patches, *e, *mean, *rstd;
    size_t rows;
} gp_vision_embed;
void gp_vision_embed_run(gp_vision_embed *v);

/* METHODS 1.3 step 4: feat [B, embed] or token [B, width] (before the projection) from the class rows x [B, width], the other one NULL;
 * mean, rstd [B] may be NULL. */
typedef struct gp_vision_head {
    gp_model *m;
    gp_real *feat, *token, *mean, *rstd;
    const gp_real *x;
} gp_vision_head;
void gp_vision_head_run(gp_vision_head *v, size_t B);

#endif
