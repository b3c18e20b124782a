/* model.h - a CLIP ready to run: both towers with their weights packed for the GEMMs.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_ENCODERS_MODEL_H
#define GP_ENCODERS_MODEL_H

#include "kernels/gemm.h"
#include "weights/clip.h"

typedef struct gp_model gp_model;

/* Packs the weights (kept by pointer, must outlive the model).  trainable: pretraining, every matrix can be repacked and both towers keep
 * what weight gradients need. */
gopro_status gp_model_create(gp_model **m, gp_compute *c, gp_clip_weights *w, gp_precision prec, bool trainable, gopro_error *err);
void gp_model_free(gp_model **m);
/* Packs the image tower for gradients too, once; the text tower always is. */
gopro_status gp_model_vision_gradients(gp_model *m, gopro_error *err);
void gp_model_repack(gp_model *m); /* after an optimiser step on the weights */
const gp_clip_arch *gp_model_arch(const gp_model *m);
gp_compute *gp_model_compute(const gp_model *m);
const gp_clip_weights *gp_model_weights(const gp_model *m);
double gp_model_logit_scale(const gp_model *m); /* exp(logit_scale) */

#endif
