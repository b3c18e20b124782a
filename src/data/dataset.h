/* dataset.h - labelled image lists: where they come from, the few-shot draw, base and new classes (DATASETS.md 3-5, METHODS 3.10).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_DATASET_H
#define GP_DATASET_H

#include "base/error.h"
#include "base/log.h"

typedef struct gp_item {
    const char *path; /* relative to root; owned by the dataset */
    uint32_t label;
} gp_item;

typedef struct gp_split {
    gp_item *item;
    size_t n;
} gp_split;

typedef struct gp_dataset {
    char *name, *root;
    char **class_name; /* [n_classes] */
    size_t n_classes;
    char *template_text; /* "a photo of a {}." or the dataset's own */
    gp_split train, val, test;
    void *own;
} gp_dataset;

typedef struct gp_data_rules {
    bool skip_bad_images; /* named and skipped in training; otherwise an error */
    uint64_t split_seed;  /* when a folder has no train/val/test level: 50/20/30 per class by a seeded shuffle */
} gp_data_rules;

/* `path` is a folder with one sub-folder per class; or with train/ (val/) test/ above the classes; or with split.json (DATASETS.md 3:
 * train, val, test arrays of [path, label, class name], paths relative to the file's folder) and optionally dataset.json
 * {"name","template"}. DATA errors: empty class, one class only, duplicated class names, no images, non-image file in a class folder
 * (named). */
gopro_status gp_dataset_open(gp_dataset **d, const char *path, const gp_data_rules *r, const gp_log *log, gopro_error *err);
void gp_dataset_free(gp_dataset **d);

/* CPython's random.sample on MT19937 (DATASETS.md 4.3). */
typedef struct gp_mt19937 {
    uint32_t s[624];
    unsigned i;
} gp_mt19937;
void gp_mt_seed(gp_mt19937 *m, uint64_t seed);
uint32_t gp_mt_next(gp_mt19937 *m);
uint32_t gp_mt_below(gp_mt19937 *m, uint32_t n);
gopro_status gp_mt_sample(gp_mt19937 *m, uint32_t *out, uint32_t n, uint32_t k, gopro_error *err);

/* The draw over all classes: indices into train (k shots per class) and val (min(k,4)), one generator, in drawn order.  A class with fewer
 * keeps all (logged). */
typedef struct gp_draw {
    uint32_t *train, *val;
    size_t n_train, n_val;
    char hash[65]; /* SHA-256 of the train indices "a,b,c" */
} gp_draw;
gopro_status gp_draw_make(gp_draw *dr, const gp_dataset *d, size_t shots, uint64_t seed, const gp_log *log, gopro_error *err);
void gp_draw_free(gp_draw *dr);

/* The label set of a run: all classes, base (first ceil(C/2) labels), new (the rest), relabelled from 0. */
typedef enum gp_subset { GP_ALL, GP_BASE, GP_NEW } gp_subset;
typedef struct gp_labelset {
    const char **class_name; /* borrowed from the dataset */
    size_t K;
    gp_item *train, *val, *test; /* relabelled; paths borrowed */
    size_t n_train, n_val, n_test;
} gp_labelset;
/* draw NULL: the full train and val lists. */
gopro_status gp_labelset_make(gp_labelset *l, const gp_dataset *d, const gp_draw *draw, gp_subset s, gopro_error *err);
void gp_labelset_free(gp_labelset *l);

#endif
