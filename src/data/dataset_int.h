/* dataset_int.h - what the readers of folders, lists, tables and archives fill and share.
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef GP_DATASET_INT_H
#define GP_DATASET_INT_H

#include "data/dataset.h"
#include "data/strings.h"

typedef enum gp_part { GP_PART_TRAIN, GP_PART_VAL, GP_PART_TEST, GP_PARTS } gp_part;
extern const char *const gp_part_name[GP_PARTS];
/* "train", "val", "valid", "validation", "dev", "test"; GP_PARTS: none of them */
gp_part gp_part_parse(const char *s, size_t n);

#define GP_MAX_LABEL      ((size_t)1000000)
#define GP_MAX_LIST_BYTES ((size_t)2 << 30)

/* Labelled lists under construction. */
typedef struct gp_ds_build {
    gp_strings *pool; /* owns every string */
    gp_item *item[GP_PARTS];
    size_t n[GP_PARTS], cap[GP_PARTS];
    char **class_name; /* [n_classes], NULL where a label was not seen yet */
    size_t n_classes, cap_classes;
    gp_data_rules rules;
    const gp_log *log;
    size_t n_skipped;
    const char *order;  /* becomes gp_dataset.order */
    bool by_shuffle;    /* becomes gp_dataset.by_shuffle */
    bool same_names_ok; /* two classes of one name are said, not refused */
} gp_ds_build;

gopro_status gp_ds_init(gp_ds_build *b, const gp_data_rules *r, const gp_log *log, gopro_error *err);
void gp_ds_free(gp_ds_build *b);
gopro_status gp_ds_add(gp_ds_build *b, gp_part part, const char *path, size_t label, gopro_error *err); /* the path is copied */
gopro_status gp_ds_put(gp_ds_build *b, gp_part part, const gp_item *it, gopro_error *err);              /* the path stays */
/* DATA error if the label has another name already. */
gopro_status gp_ds_name(gp_ds_build *b, size_t label, const char *name, gopro_error *err);

/* ---- rows: images whose class is a word; they become labelled lists when all are known ---- */

typedef struct gp_row {
    const char *path;
    uint64_t offset;
    uint32_t size, key; /* key: number of the class word */
    uint16_t domain;
    uint8_t part; /* GP_PARTS: not said */
} gp_row;

typedef struct gp_rows {
    gp_ds_build *b;
    gp_row *row;
    size_t n, cap;
    gp_intern key, domain;
} gp_rows;
gopro_status gp_rows_init(gp_rows *r, gp_ds_build *b, gopro_error *err);
void gp_rows_free(gp_rows *r);
/* key and domain are words of any bytes (checked here); domain NULL: none.  The path is copied unless it is already in the pool. */
gopro_status gp_rows_add(gp_rows *r, const gp_row *row, const char *key, size_t n_key, const char *domain, size_t n_domain,
                         gopro_error *err);

struct gp_names;
typedef struct gp_rows_plan {
    const char *what, *domain; /* the source's name in messages; the chosen domains "A+B" or NULL */
    const struct gp_names *names;
    const char *const (*renames)[2]; /* {class word, name} pairs up to a NULL, or NULL */
} gp_rows_plan;
/* Chooses the domain, orders and names the classes, splits what nobody split, and fills r->b. */
gopro_status gp_rows_finish(gp_rows *r, const gp_rows_plan *p, gopro_error *err);

/* ---- class names from a file ---- */

typedef struct gp_names gp_names;
/* Lines "name", "key TAB name", "key name", or a JSON array or object. */
gopro_status gp_names_parse(gp_names **m, const char *text, size_t size, const char *what, gopro_error *err);
gopro_status gp_names_read(gp_names **m, const char *path, gopro_error *err);
void gp_names_free(gp_names **m);
/* keys: the K class words in order.  label[k]: the class of key k; *names: the classes' names, borrowed, array malloc'ed.  *listed: the
 * file lists the classes itself, so those without images stay. */
gopro_status gp_names_apply(const gp_names *m, uint32_t *label, const char ***names, size_t *n_names, bool *listed, char *const *keys,
                            size_t K, gopro_error *err);
/* The name of one key, or NULL. */
const char *gp_names_find(const gp_names *m, const char *key);
size_t gp_names_count(const gp_names *m);
const char *gp_names_line(const gp_names *m, size_t i); /* the i-th entry's name: what follows the key, or the whole line */
const char *gp_names_key(const gp_names *m, size_t i);

/* ---- readers ---- */

/* Sub-folders ignored by name, up to a NULL. */
typedef struct gp_folder_plan {
    const char *const *ignore;
    const char *prefix; /* of the paths, or NULL */
    bool levels;        /* train/val/test and domains may stand above the classes */
    gp_part part;       /* of everything found, or GP_PARTS */
} gp_folder_plan;
gopro_status gp_rows_from_folder(gp_rows *r, const char *root, const gp_folder_plan *p, gopro_error *err);
/* text: the bytes of a split file; what: its name in messages. */
gopro_status gp_ds_from_json(gp_ds_build *b, const char *text, size_t size, const char *what, gopro_error *err);
gopro_status gp_rows_from_table(gp_rows *r, const char *text, size_t size, const char *what, gopro_error *err);
bool gp_table_has_header(const char *text, size_t size); /* the first line names a path column */
/* One tar; name: how its members' paths begin; part: of all members, or GP_PARTS.  *names: a class list found inside, or NULL. */
gopro_status gp_rows_from_tar(gp_rows *r, const char *path, const char *name, gp_part part, gp_names **names, gopro_error *err);
gopro_status gp_ds_from_known(gp_ds_build *b, const struct gp_known *k, const char *folder, gopro_error *err);

/* ---- opening ---- */

typedef enum gp_source_kind {
    GP_SOURCE_FOLDER,
    GP_SOURCE_SPLIT,
    GP_SOURCE_TABLE,
    GP_SOURCE_TAR,
    GP_SOURCE_SHARDS,
    GP_SOURCE_KNOWN
} gp_source_kind;
/* What a dataset's path means; strings malloc'ed. */
typedef struct gp_source {
    gp_source_kind kind;
    char *path, *root, *domain; /* file or folder; folder of the images; chosen domains or NULL */
    char *absolute;             /* becomes gp_dataset.source */
    const struct gp_known *known;
} gp_source;
gopro_status gp_source_find(gp_source *s, const char *spec, const gp_data_rules *r, gopro_error *err);
gopro_status gp_source_read(gp_ds_build *b, const gp_source *s, gopro_error *err);
char *gp_source_name(const gp_source *s); /* of the dataset where nothing else names it; malloc'ed */
void gp_source_free(gp_source *s);

/* ---- paths ---- */

void gp_path_tidy(char *p);         /* without "." and doubled "/", so that a file has one name */
bool gp_path_inside(const char *p); /* relative, not empty, without a '..' component */
gopro_status gp_path_check(const gp_ds_build *b, const char *p, gopro_error *err); /* the same, unless the rules allow any path */
bool gp_utf8_ok(const char *s, size_t n);
/* Names of a folder, sorted bytewise, folders and others apart, without hidden ones and what systems leave there (Thumbs.db, __MACOSX);
 * free both with gp_list_free. */
gopro_status gp_list_apart(char ***folders, size_t *n_folders, char ***files, size_t *n_files, const char *path, gopro_error *err);

/* SHA-256 of the indices "a,b,c". */
void gp_draw_hash(char hex[65], const uint32_t *v, size_t n);
/* CPython's random.shuffle (DATASETS.md 4.6). */
void gp_mt_shuffle(gp_mt19937 *m, uint32_t *v, uint32_t n);

#endif
