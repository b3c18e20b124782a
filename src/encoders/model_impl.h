/* model_impl.h - what is inside gp_model, for the encoders only.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ENCODERS_MODEL_IMPL_H
#define GP_ENCODERS_MODEL_IMPL_H

#include "encoders/block.h"
#include "encoders/model.h"

struct gp_model {
    gp_compute *c;
    gp_clip_weights *w;
    gp_precision prec;
    bool trainable;
    bool vision_gradients; /* the image tower's matrices are packed for gradients */
    gp_block *vb, *tb;
    gp_mat *patch, *v_proj, *t_proj;
    gp_mat **mat; /* all matrices, for repacking */
    size_t n_mat, cap_mat;
    gp_arena *work;
};

#endif
