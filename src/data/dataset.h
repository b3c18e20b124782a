/* dataset.h - labelled image lists: where they come from, the few-shot draw, base and new classes (DATASETS.md 3-5, METHODS 3.10).
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_DATASET_H
#define GP_DATASET_H

#include "base/error.h"
#include "base/log.h"
#include "base/options.h"

typedef struct gp_item {
    const char *path; /* relative to root; owned by the dataset.  In a tar: the tar's name, '/', the member's name */
    uint32_t label;
    uint32_t size;   /* bytes of a tar's member; 0: a file of its own */
    uint64_t offset; /* where they start in the tar */
} gp_item;

typedef struct gp_split {
    gp_item *item;
    size_t n;
} gp_split;

struct gp_known;
typedef struct gp_dataset {
    char *name, *root;
    char *source;      /* what opens the same again from any working folder: an absolute path, with #DOMAIN if one was chosen */
    char **class_name; /* [n_classes] */
    size_t n_classes;
    char *template_text; /* "a photo of a {}." or the dataset's own */
    gp_split train, val, test;
    const struct gp_known *known; /* one of the field's datasets (data/known.h), or NULL */
    const char *order;            /* what decides the order of the lists, for the record of a draw */
    bool by_shuffle;              /* nothing said what is training and what is test: split 50/20/30 */
    void *own;
} gp_dataset;

/* What a dataset brings to hand-written prompts (METHODS 3.1). */
typedef struct gp_own_template {
    const char *text;
    bool not_in_7; /* the ensemble of 7 goes without it: ImageNet */
} gp_own_template;
gp_own_template gp_dataset_template(const gp_dataset *d); /* text borrowed */

typedef struct gp_data_rules {
    bool skip_bad_images;    /* named and skipped in training; otherwise an error */
    uint64_t split_seed;     /* when nothing says what is training and what is test: 50/20/30 per class by a seeded shuffle */
    const char *root;        /* folder of the field's datasets, which are then opened by name; may be NULL */
    const char *class_names; /* file that names the classes; may be NULL */
    bool any_path;           /* lists may name files outside their folder */
} gp_data_rules;
/* data.* of the options; the strings are borrowed from them. */
gp_data_rules gp_data_rules_of(const gp_options *o);

/* `path` is one of the field's datasets by folder or, with a root, by name; a folder with one sub-folder per class, with or without levels
 * train/val/test and domains above the classes; a folder with split.json (DATASETS.md 3) or with tar files; a split file, a table (CSV or
 * TSV with a header) or a tar.  "PATH#DOMAIN" keeps one domain, "#A+B" several.  Beside the data, dataset.json {"name","template"} and
 * classes.txt are read.  DATA errors: empty class, one class only, duplicated class names, no images, a path out of the folder, ...
 * (named). */
gopro_status gp_dataset_open(gp_dataset **d, const char *path, const gp_data_rules *r, const gp_log *log, gopro_error *err);
void gp_dataset_free(gp_dataset **d);
/* SHA-256 of the lines "part TAB path TAB label TAB class name": the split's, whatever its file looks like. */
void gp_dataset_split_hash(char hex[65], const gp_dataset *d);
/* SHA-256 of the names, each with the zero byte after it. */
void gp_class_names_hash(char hex[65], const char *const *class_name, size_t K);

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
    char hash[65];     /* SHA-256 of the train indices "a,b,c" */
    char val_hash[65]; /* the same of the val indices */
} gp_draw;
gopro_status gp_draw_make(gp_draw *dr, const gp_dataset *d, size_t shots, uint64_t seed, const gp_log *log, gopro_error *err);
/* From a file: a plain list "path TAB label", a table with a header, JSON Lines (_impath, _label, _classname), an index {"train": {"data":
 * [...]}}, a pickle of CoOp's projects (data/draw_pickle.h) or what gp_draw_json writes.  Test images are left out (logged).  Every image
 * must be in the dataset under the same label; an absolute or longer path is matched by its end. */
gopro_status gp_draw_import(gp_draw *dr, const gp_dataset *d, const char *path, const gp_log *log, gopro_error *err);
gopro_status gp_draw_parse(gp_draw *dr, const gp_dataset *d, const char *text, size_t size, const char *what, const gp_log *log,
                           gopro_error *err);
/* The draw of the options: data.draw imported, else shots and seed. */
gopro_status gp_draw_of(gp_draw *dr, const gp_dataset *d, const gp_options *o, const gp_log *log, gopro_error *err);
/* JSON with paths relative to the dataset; malloc'ed, NULL when out of memory.  source: the imported file or NULL. */
char *gp_draw_json(const gp_draw *dr, const gp_dataset *d, size_t shots, uint64_t seed, const char *source, bool compact);
void gp_draw_free(gp_draw *dr);

/* The label set of a run, relabelled from 0: all classes, or of the C labels that occur in the training list (where there is one) the first
 * ceil(C/2), base, or the rest, new (DATASETS.md 5). */
typedef enum gp_subset { GP_ALL, GP_BASE, GP_NEW } gp_subset;
/* Its labels in the dataset, ascending; malloc'ed.  DATA error: none. */
gopro_status gp_subset_labels(uint32_t **label, size_t *K, const gp_dataset *d, gp_subset s, gopro_error *err);
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
