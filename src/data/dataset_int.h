/* dataset_int.h - the lists under construction that the folder and the split-file readers fill.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_DATASET_INT_H
#define GP_DATASET_INT_H

#include "base/arena.h"
#include "data/dataset.h"

typedef enum gp_part { GP_PART_TRAIN, GP_PART_VAL, GP_PART_TEST, GP_PARTS } gp_part;

typedef struct gp_ds_build {
    gp_arena *arena; /* owns every string */
    gp_item *item[GP_PARTS];
    size_t n[GP_PARTS], cap[GP_PARTS];
    char **class_name; /* [n_classes], NULL where a label was not seen yet */
    size_t n_classes;
    gp_data_rules rules;
    const gp_log *log;
    size_t n_skipped;
} gp_ds_build;

gopro_status gp_ds_init(gp_ds_build *b, const gp_data_rules *r, const gp_log *log, gopro_error *err);
void gp_ds_free(gp_ds_build *b);

/* The path is copied. */
gopro_status gp_ds_add(gp_ds_build *b, gp_part part, const char *path, size_t label, gopro_error *err);
/* DATA error if the label has another name already. */
gopro_status gp_ds_name(gp_ds_build *b, size_t label, const char *name, gopro_error *err);

gopro_status gp_ds_from_folder(gp_ds_build *b, const char *root, gopro_error *err);
/* text: the bytes of a split file; what: its name in messages. */
gopro_status gp_ds_from_json(gp_ds_build *b, const char *text, size_t size, const char *what, gopro_error *err);

/* CPython's random.shuffle (DATASETS.md 4.6). */
void gp_mt_shuffle(gp_mt19937 *m, uint32_t *v, uint32_t n);

#endif
