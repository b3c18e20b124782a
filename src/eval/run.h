/* run.h - one run from options to test results: train a method on the shots of a label set, test it, keep everything in a folder.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_RUN_H
#define GP_RUN_H

#include "eval/evaluate.h"
#include "train/train.h"

typedef struct gp_run_request {
    gp_backbone *bb;
    const gp_options *opt;
    const char *data;  /* dataset folder */
    gp_subset subset;  /* trained on: GP_ALL or GP_BASE; GP_BASE is tested on base and on new classes */
    const char *out;   /* run folder; NULL: nothing is kept (zero-shot) */
    const char *cache; /* folder of image features, may be NULL */
    bool base_will_do; /* no warning where there can be no accuracy on new classes */
    /* called when the folder is this process's and there is something to do; may be NULL */
    gopro_status (*begin)(void *of, gopro_error *err);
    void *of;
} gp_run_request;

typedef struct gp_run_result {
    char method[32], dataset[512], backbone[65], subset[8];
    uint64_t seed;
    bool was_done;  /* found finished */
    bool in_use;    /* not run: another process does */
    bool tested[3]; /* indexed by gp_subset */
    gp_scores test[3];
    double hm;                                 /* of base and new, else 0 */
    size_t parameters, train_images, left_out; /* left_out: of the draw, could not be read */
    double final_loss, final_accuracy, logit_scale, zs_ce, ln_classes, best_scale, spread, drift;
    char select[16];                           /* option select */
    size_t selected_epoch;                     /* from 1; 0: the last, unscored */
    double selection_accuracy, last_selection; /* of the kept epoch and of the last one, on the images that chose */
} gp_run_result;

gopro_status gp_run(gp_run_result *r, const gp_run_request *q, const gp_watch *w, gopro_error *err);

/* result.json: full precision; numbers that depend on the machine or the time are not in it.  labels: of the label sets tested. */
gopro_status gp_result_write(const char *path, const gp_run_result *r, const gp_learner *l, const gp_metrics m[3],
                             const gp_labelset *const labels[3], const char *draw_hash, gopro_error *err);
gopro_status gp_result_read(gp_run_result *r, const char *path, gopro_error *err);

/* A run's prompt on another dataset: the same numbers, with what the test images and classes were. */
gopro_status gp_test_write(const char *path, const gp_run_result *r, const gp_metrics *m, const gp_labelset *labels, const char *test_hash,
                           gopro_error *err);
gopro_status gp_test_read(gp_run_result *r, char test_hash[65], const char *path, gopro_error *err);

/* DATA error naming the first class that is none of those a finished run was trained and tested on. */
gopro_status gp_result_check_classes(const char *run, const gp_labelset *labels, const char *data, gopro_error *err);

/* cost.json of a run folder: what a run took, over all its attempts. */
typedef struct gp_cost {
    bool any;
    double train_s, test_s;
    size_t peak_mib, parameters;
} gp_cost;
gopro_status gp_cost_write(const char *folder, const gp_cost *c, gopro_error *err);
void gp_cost_read(gp_cost *c, const char *folder); /* any is false where there is none, or none that can be read */

/* A finished run's learner on a dataset's test images, or zero-shot without a run.  class_name NULL: the dataset's own label sets. */
typedef struct gp_test_request {
    gp_backbone *bb;
    const gp_options *opt; /* zero-shot: method, template ...; with a run: only rules of data, test.batch */
    const char *run;       /* folder with prompt.safetensors, NULL: zero-shot by opt */
    const char *data, *cache;
    gp_subset subset;
    bool same_classes;  /* the test classes must be among those the run was trained on */
    const char *result; /* file the scores are kept in and read from if the test images are still the same; NULL: none.  m stays empty when
                           they were read. */
} gp_test_request;
gopro_status gp_test(gp_run_result *r, gp_metrics *m, gp_dataset **d, const gp_test_request *q, const gp_watch *w, gopro_error *err);

#endif
