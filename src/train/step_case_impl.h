/* step_case_impl.h - a case file in memory, shared by its reader and its runner.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_STEP_CASE_IMPL_H
#define GP_STEP_CASE_IMPL_H

#include "methods/methods.h"
#include "train/step_case.h"
#include "weights/safetensors.h"

typedef struct gp_schedule {
    size_t steps, epochs, epoch_steps;
    double lr;
    gp_sgd sgd;
} gp_schedule;

typedef struct gp_case {
    const char *path;
    gp_safetensors *file;
    gp_arena *a; /* everything read from the file */
    gp_options *opt;
    gp_clip_weights *weights;
    gp_model *model;
    gp_text_plan *plan;
    gp_params *p;
    const gp_method *method;
    gp_setup setup;
    bool training; /* a training file: several batches and a schedule */
    gp_schedule schedule;
    size_t n_batches, B, K;
    uint32_t *label;                   /* [n_batches, B] */
    const float *pixels[GP_MAX_VIEWS]; /* [n_batches, B, 3, image, image]; NULL: the view is not needed */
    bool stats[GP_MAX_VIEWS];
} gp_case;

extern const char *const gp_case_view[GP_MAX_VIEWS]; /* "image", "view_moco", "view_augmix" */

gopro_status gp_case_open(gp_case *c, const char *weights, const char *path, gp_compute *compute, gopro_error *err);
void gp_case_close(gp_case *c);

#endif
