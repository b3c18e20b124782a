/* pretrain_state.h - weights, gradients, moments and moving average of a pretraining run, tensor by tensor.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_PRETRAIN_STATE_H
#define GP_PRETRAIN_STATE_H

#include "kernels/compute.h"
#include "optim/params.h"
#include "weights/clip.h"

/* A tensor of the model, or one of the head that is thrown away in the end: that has no average, and its running statistics are not
 * trained either.  What a tensor does not have is NULL. */
typedef struct gp_pt_tensor {
    char name[128];
    float *w, *g, *m, *v; /* w, g inside the weights and gradients; m, v inside flat */
    float *ema, *best;    /* moving average, and the one with the lowest validation loss; inside flat */
    size_t n, shape[4], rank;
    bool decay;
} gp_pt_tensor;

typedef struct gp_pt_state {
    gp_clip_weights *w, *g;
    gp_pt_tensor *t; /* the model's, then the head's */
    size_t n, n_model;
    size_t total; /* numbers of the model */
    float *flat;
    double best_loss;
    uint64_t step;
} gp_pt_state;

typedef struct gp_pt_adamw {
    double lr, beta1, beta2, eps, weight_decay, clip, ema;
} gp_pt_adamw;

/* head: further tensors to train, or NULL; must outlive the state. */
gopro_status gp_pt_create(gp_pt_state *s, const gp_clip_arch *arch, uint64_t seed, gp_params *head, gopro_error *err);
void gp_pt_free(gp_pt_state *s);
void gp_pt_zero_grad(gp_pt_state *s, gp_compute *c);
/* Clips the global gradient norm, one AdamW step, moving average, logit scale clamped to [0, ln 100].  Returns the norm before clipping. */
double gp_pt_update(gp_pt_state *s, gp_compute *c, const gp_pt_adamw *o);
/* Exchanges the weights with the moving average (its own inverse). */
void gp_pt_swap_ema(gp_pt_state *s);
void gp_pt_keep_best(gp_pt_state *s, double loss); /* the moving average becomes the best so far */
void gp_pt_take_best(gp_pt_state *s);              /* the weights become the best so far */

gopro_status gp_pt_save(const gp_pt_state *s, const char *path, const char *config, gopro_error *err);
/* NOT found is not an error: *found says.  INVALID if it was made with another configuration. */
gopro_status gp_pt_load(gp_pt_state *s, const char *path, const char *config, bool *found, gopro_error *err);

#endif
