/* bench.h - the benchmark's datasets: which drawing belongs to which class, which part of the data it falls into, and the files.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GE_BENCH_H
#define GE_BENCH_H

#include "select.h"

typedef enum ge_part { GE_TRAIN, GE_VAL, GE_TEST, GE_UNUSED } ge_part;

typedef struct ge_item {
    const ge_drawing *d; /* NULL for a letter */
    uint8_t *rgb;        /* of a letter: 64 x 64 */
    char *path;          /* relative to the dataset's folder */
    size_t label;
    char *unit; /* artist and concept: stays on one side */
    const char *style;
    ge_part part;
    float thumb[GE_THUMB * GE_THUMB];
} ge_item;

typedef struct ge_dataset {
    char *name, *template_text;
    char **class_name;
    size_t n_classes;
    ge_item *item;
    size_t n;
} ge_dataset;

typedef struct ge_bench {
    ge_dataset *set;
    size_t n;
} ge_bench;

ge_dataset *ge_bench_add(ge_bench *b, const char *name, const char *tables);
size_t ge_dataset_class(ge_dataset *s, const char *name); /* added when new */
ge_item *ge_dataset_add(ge_dataset *s, size_t label, const char *unit, const char *style);

/* The datasets of classes.tsv, groups.tsv and faces.tsv out of the drawings with thumbnails (keep set). */
void ge_bench_collect(ge_bench *b, const ge_drawings *ds, const ge_rules *r, const char *tables);
/* Of Debian's font packages. */
void ge_letters_collect(ge_bench *b, const char *tables, const char *fonts);

/* Drops near-duplicates within a class, small classes, and deals the units out to train, validation and test; sorts classes and items. */
void ge_dataset_split(ge_dataset *s);
/* Thumbnails of every drawing in a part of a dataset. */
void ge_bench_used(ge_drawings *out, const ge_bench *b);
/* Domain datasets style-colour, style-outlined, style-solid, style-line: the classes that have enough in all four, from those already
 * split. */
void ge_bench_styles(ge_bench *b, const char *tables);

/* DEST/NAME/{split.json,dataset.json,styles.json,images/...} and DEST/index.tsv. */
void ge_bench_write(const ge_bench *b, const char *dest);
/* One PNG a dataset: a row of training drawings a class, alphabetically. */
void ge_bench_sheets(const ge_bench *b, const char *dest);

#endif
