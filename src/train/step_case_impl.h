/* step_case_impl.h - a case file in memory, shared by its reader, its runner and the descriptions of the methods' cases (case_*.c).
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

typedef struct gp_case_kind gp_case_kind;

typedef struct gp_case {
    const char *path;
    const gp_case_kind *kind;
    gp_safetensors *file;
    gp_arena *a; /* everything read from the file */
    gp_options *opt;
    gp_clip_weights *weights;
    gp_model *model;
    gp_text_plan *plan;
    gp_params *p;
    gp_setup setup;
    bool training; /* a training file: several batches and a schedule */
    gp_schedule schedule;
    size_t n_batches, B, K, M;
    uint32_t *label;                   /* [n_batches, B] */
    const float *pixels[GP_MAX_VIEWS]; /* [n_batches, B, 3, image, image]; NULL: the view is not needed */
    bool stats[GP_MAX_VIEWS];
} gp_case;

/* What is written; names and values are copied. */
typedef struct gp_case_results gp_case_results;
void gp_case_put(gp_case_results *r, const char *name, const size_t *shape, size_t rank, const gp_real *v);

/* A metadata key that is an option of the method. */
typedef struct gp_case_option {
    const char *key, *option;
    const char *absent; /* value when the key is absent; NULL: the option's own default */
} gp_case_option;

/* An intermediate value that the method shows (gp_step_show), written as out.NAME; its shape by letters: N batch, K classes, M context
 * tokens, E embedding, D and L width and blocks of the image tower, T width of the text tower. */
typedef struct gp_case_output {
    const char *name, *shape;
} gp_case_output;

/* Cases of one method.  A new one is a file case_NAME.c and a line in step_case_kinds.c. */
struct gp_case_kind {
    const char *name; /* metadata `method` */
    const gp_method *method;
    const char *view[GP_MAX_VIEWS]; /* the views' tensors: in.NAME, [0] being "image" */
    const gp_case_option *option;   /* up to one without key; NULL: none */
    const gp_case_output *output;   /* up to one without name; NULL: none */
    bool terms;                     /* the case has out.loss.TERM beside out.loss */
    bool own_image_features;        /* the method shows them; else the frozen tower's are written */
    /* Which views' statistics are wanted; NULL: those of view 0 if the method wants any. */
    void (*stats)(const gp_case *c, bool stats[GP_MAX_VIEWS]);
    /* Whatever else a case of one step has; s: the step that was run.  May be NULL. */
    gopro_status (*extra)(gp_case *c, gp_tape *t, const gp_step *s, gp_case_results *r, gp_arena *a, gopro_error *err);
};

extern const gp_case_kind *const gp_case_kinds[];
extern const size_t gp_n_case_kinds;

gopro_status gp_case_open(gp_case *c, const char *weights, const char *path, gp_compute *compute, gp_precision precision, gopro_error *err);
void gp_case_close(gp_case *c);

#endif
