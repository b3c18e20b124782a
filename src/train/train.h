/* train.h - training a method on the shots of a label set (METHODS 5).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_TRAIN_H
#define GP_TRAIN_H

#include "data/loader.h"
#include "features/progress.h"
#include "train/rundir.h"
#include "train/state.h"

/* Scores the learner as it stands after an epoch, accuracy in per cent; the best epoch's parameters are kept (the first of equal ones). */
typedef struct gp_selector {
    gopro_status (*score)(void *of, double *accuracy, gopro_error *err);
    void *of;
} gp_selector;

typedef struct gp_train_job {
    gp_learner *learner;
    const gp_dataset *data;
    const gp_labelset *labels; /* train: the shots */
    const gp_rundir *dir;      /* NULL: nothing is kept on disk */
    const gp_watch *watch;
    const gp_selector *select; /* NULL: the last epoch */
} gp_train_job;

/* Trains from the start or from the folder's checkpoint.  Writes metrics.jsonl and checkpoints; CANCELLED after writing a checkpoint.
 * NUMERIC for a non-finite loss, naming epoch, step and term.  s: free with gp_train_state_free whatever the status. */
gopro_status gp_train(const gp_train_job *j, gp_train_state *s, gopro_error *err);

/* One training step on made-up images: how long a run will take and how much memory.  tower_s: the frozen image tower's part. */
gopro_status gp_train_probe(double *seconds, double *tower_s, gp_learner *l, const char *const *class_name, size_t K, gopro_error *err);

/* Gives the method the clean shots' features, if it keeps any of them. */
gopro_status gp_train_fit(gp_learner *l, const char *root, const gp_item *item, size_t n, gopro_error *err);

/* Fills centring means (METHODS 3.7) from the clean shots, and the state's calibration numbers (5.7) from one pass of training views. */
gopro_status gp_train_center(gp_learner *l, const char *root, const gp_item *item, size_t n, gopro_error *err);
gopro_status gp_train_calibrate(gp_train_state *s, const gp_train_job *j, gp_image_store *store, const gp_item *item, size_t n,
                                gopro_error *err);

#endif
