/* known_open.c - reads the lists of the field's datasets from their layouts; every failure says what the layout should be.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "data/dataset_int.h"
#include "data/known.h"

static gopro_status missing(const gp_known *k, const char *path, const char *advice, gopro_error *err)
{
    return gp_fail(err, GOPRO_E_DATA, "%s: '%s' is missing; %s", k->name, path, advice);
}

static gopro_status read_split(gp_ds_build *b, const char *path, gopro_error *err)
{
    char *text = NULL;
    size_t size = 0;
    if (gp_read_file(&text, &size, path, GP_MAX_LIST_BYTES, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "split file");
    gopro_status st = gp_ds_from_json(b, text, size, path, err);
    free(text);
    return st;
}

/* Without the split file: folders split by a shuffle, where that is how the split was once made. */
static gopro_status fall_back(gp_ds_build *b, const gp_known *k, const char *split, const char *images, gopro_error *err)
{
    if (!k->folder_per_class || !gp_path_is_dir(images))
        return missing(k, split, "put the published split file there (the splits/ folder of the cross-modal adaptation repository has it)",
                       err);
    gp_logf(
        b->log, GP_LOG_WARN,
        "%s: '%s' is missing: every class is split 50/20/30 by a shuffle (data.split_seed); the numbers do not compare with published ones",
        k->name, split);
    gp_rows r;
    GP_TRY(gp_rows_init(&r, b, err));
    const gp_folder_plan plan = {.ignore = k->ignore, .part = GP_PARTS};
    gopro_status st = gp_rows_from_folder(&r, images, &plan, err);
    if (st == GOPRO_OK) st = gp_rows_finish(&r, &(gp_rows_plan){.what = images, .renames = k->renames}, err);
    gp_rows_free(&r);
    return st;
}

static gopro_status from_split(gp_ds_build *b, const gp_known *k, const char *folder, const char *images, gopro_error *err)
{
    char *split = gp_path_join(folder, k->split);
    if (!split) return gp_fail_nomem(err, 0, "a path");
    gopro_status st = gp_path_exists(split) ? read_split(b, split, err) : fall_back(b, k, split, images, err);
    free(split);
    return st;
}

/* ---- ImageNet and its variants ---- */

/* A list of WordNet's first synonyms is the usual wrong file; it costs more than a point. */
static gopro_status check_names(const gp_known *k, const gp_names *m, const char *path, gopro_error *err)
{
    static const char *const probe[][3] = {{"n02012849", "crane bird", "crane"}, {"n03126707", "construction crane", "crane"}};
    for (size_t i = 0; i < GP_COUNT(probe); i++) {
        const char *name = gp_names_find(m, probe[i][0]);
        if (name && strcmp(name, probe[i][2]) == 0)
            return gp_fail(
                err, GOPRO_E_DATA,
                "%s: '%s' names %s '%s', so it is not the list that CLIP was evaluated with ('%s'); take the class names of CLIP's "
                "ImageNet notebook",
                k->name, path, probe[i][0], name, probe[i][1]);
    }
    return GOPRO_OK;
}

static gopro_status read_class_names(gp_names **m, const gp_known *k, const char *folder, gopro_error *err)
{
    char *path = gp_path_join(folder, "classnames.txt");
    *m = NULL;
    if (!path) return gp_fail_nomem(err, 0, "a path");
    gopro_status st = gp_path_exists(path) ? gp_names_read(m, path, err)
                                           : missing(k, path, "it has 1000 lines \"WNID CLASS NAME\" in ascending order of wnid", err);
    if (st == GOPRO_OK && !gp_names_key(*m, 0))
        st = gp_fail(err, GOPRO_E_DATA, "%s: '%s' has lines that are not \"WNID CLASS NAME\"", k->name, path);
    if (st == GOPRO_OK) st = check_names(k, *m, path, err);
    free(path);
    return st;
}

static gopro_status need_folder(const gp_known *k, const char *path, gopro_error *err)
{
    return gp_path_is_dir(path) ? GOPRO_OK : missing(k, path, k->trap, err);
}

static gopro_status add_level(gp_rows *r, const gp_known *k, const char *images, const char *level, gp_part part, gopro_error *err)
{
    char *path = gp_path_join(images, level);
    if (!path) return gp_fail_nomem(err, 0, "a path");
    gopro_status st = need_folder(k, path, err);
    const gp_folder_plan plan = {.prefix = level, .part = part};
    free(path);
    return st == GOPRO_OK ? gp_rows_from_folder(r, images, &plan, err) : st;
}

/* A folder that the list does not name would shift every class after it. */
static gopro_status check_wnids(const gp_known *k, const gp_rows *r, const gp_names *m, const char *images, gopro_error *err)
{
    for (size_t i = 0; i < r->key.n; i++)
        if (!gp_names_find(m, r->key.word[i]))
            return gp_fail(err, GOPRO_E_DATA, "%s: the folder '%s' in '%s' is no wnid of classnames.txt; move it away, or mend the list",
                           k->name, r->key.word[i], images);
    return GOPRO_OK;
}

static gopro_status from_wnids(gp_ds_build *b, const gp_known *k, const char *folder, const char *images, gopro_error *err)
{
    gp_names *m = NULL;
    gp_rows r = {0};
    gopro_status st;
    GP_CHECK(need_folder(k, images, err));
    GP_CHECK(read_class_names(&m, k, folder, err));
    GP_CHECK(gp_rows_init(&r, b, err));
    if (k->layout == GP_LAYOUT_IMAGENET) {
        /* The published validation images are the test images; there is no validation list, as it would select on them. */
        GP_CHECK(add_level(&r, k, images, "train", GP_PART_TRAIN, err));
        GP_CHECK(add_level(&r, k, images, "val", GP_PART_TEST, err));
    } else {
        const gp_folder_plan plan = {.part = GP_PART_TEST};
        GP_CHECK(gp_rows_from_folder(&r, images, &plan, err));
    }
    b->same_names_ok = true;
    GP_CHECK(check_wnids(k, &r, m, images, err));
    GP_CHECK(gp_rows_finish(&r, &(gp_rows_plan){.what = images, .names = m}, err));
out:
    gp_rows_free(&r);
    gp_names_free(&m);
    return st;
}

/* Folders 0, 1, 2, ...: the name of label i is the i-th line's. */
static gopro_status from_numbers(gp_ds_build *b, const gp_known *k, const char *folder, const char *images, gopro_error *err)
{
    gp_names *m = NULL;
    gp_rows r = {0};
    const gp_folder_plan plan = {.part = GP_PART_TEST};
    gopro_status st;
    GP_CHECK(need_folder(k, images, err));
    GP_CHECK(read_class_names(&m, k, folder, err));
    GP_CHECK(gp_rows_init(&r, b, err));
    GP_CHECK(gp_rows_from_folder(&r, images, &plan, err));
    for (size_t i = 0; i < r.n; i++) {
        char *end;
        const char *word = r.key.word[r.row[i].key];
        const unsigned long label = strtoul(word, &end, 10);
        if (word[0] < '0' || word[0] > '9' || *end || label >= gp_names_count(m)) {
            st = gp_fail(err, GOPRO_E_DATA, "%s: the folder '%s/%s' is no label; expected 0 to %zu", k->name, images, word,
                         gp_names_count(m) - 1);
            goto out;
        }
        GP_CHECK(gp_ds_put(b, GP_PART_TEST, &(gp_item){.path = r.row[i].path, .label = (uint32_t)label}, err));
    }
    for (size_t i = 0; i < gp_names_count(m); i++) GP_CHECK(gp_ds_name(b, i, gp_names_line(m, i), err));
    b->same_names_ok = true;
out:
    gp_rows_free(&r);
    gp_names_free(&m);
    return st;
}

/* ---- FGVC ---- */

/* One line "1025794 707-320": the image and its variant. */
static gopro_status add_line(gp_ds_build *b, const gp_intern *variant, gp_part part, const char *line, size_t n, gopro_error *err)
{
    const char *space = memchr(line, ' ', n);
    uint32_t label;
    char path[64];
    if (!space || space - line > 32) return gp_fail(err, GOPRO_E_DATA, "'%.*s' is not \"IMAGE VARIANT\"", (int)gp_min_size(n, 80), line);
    const size_t n_name = n - (size_t)(space - line) - 1;
    if (!gp_intern_find(variant, &label, space + 1, n_name))
        return gp_fail(err, GOPRO_E_DATA, "the variant '%.*s' is not in variants.txt", (int)gp_min_size(n_name, 80), space + 1);
    snprintf(path, sizeof path, "%.*s.jpg", (int)(space - line), line);
    GP_TRY(gp_path_check(b, path, err));
    return gp_ds_add(b, part, path, label, err);
}

typedef gopro_status line_fn(gp_ds_build *b, gp_intern *variant, gp_part part, const char *line, size_t n, gopro_error *err);

static gopro_status add_variant(gp_ds_build *b, gp_intern *variant, gp_part part, const char *line, size_t n, gopro_error *err)
{
    uint32_t label;
    (void)part;
    const size_t before = variant->n;
    if (!gp_utf8_ok(line, n) || memchr(line, 0, n)) return gp_fail(err, GOPRO_E_DATA, "a line is not text in UTF-8");
    if (!gp_intern_add(variant, &label, line, n)) return gp_fail_nomem(err, n, "a class name");
    if (variant->n == before) return gp_fail(err, GOPRO_E_DATA, "'%s' occurs twice", variant->word[label]);
    return gp_ds_name(b, label, variant->word[label], err);
}

static gopro_status add_image(gp_ds_build *b, gp_intern *variant, gp_part part, const char *line, size_t n, gopro_error *err)
{
    return add_line(b, variant, part, line, n, err);
}

static gopro_status each_line(gp_ds_build *b, gp_intern *variant, gp_part part, line_fn *fn, const gp_known *k, const char *folder,
                              const char *name, gopro_error *err)
{
    char *path = gp_path_join(folder, name), *text = NULL;
    size_t size = 0, line = 0;
    if (!path) return gp_fail_nomem(err, 0, "a path");
    gopro_status st = gp_path_exists(path) ? gp_read_file(&text, &size, path, (size_t)64 << 20, err) : missing(k, path, k->trap, err);
    if (st != GOPRO_OK) st = gp_fail_in(err, GOPRO_E_DATA, "dataset");
    for (const char *p = text, *end = text + size; st == GOPRO_OK && p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((nl ? nl : end) - p);
        const char *next = nl ? nl + 1 : end;
        line++;
        while (n && (p[n - 1] == '\r' || p[n - 1] == ' ')) n--;
        if (n && fn(b, variant, part, p, n, err) != GOPRO_OK) st = gp_fail_in(err, GOPRO_E_DATA, "'%s' line %zu", path, line);
        p = next;
    }
    free(text);
    free(path);
    return st;
}

static gopro_status from_lists(gp_ds_build *b, const gp_known *k, const char *folder, gopro_error *err)
{
    gp_intern variant = {.pool = b->pool};
    gopro_status st = each_line(b, &variant, GP_PARTS, add_variant, k, folder, "variants.txt", err);
    for (int p = 0; p < GP_PARTS && st == GOPRO_OK; p++) {
        char name[64];
        snprintf(name, sizeof name, "images_variant_%s.txt", gp_part_name[p]);
        st = each_line(b, &variant, (gp_part)p, add_image, k, folder, name, err);
    }
    gp_intern_free(&variant);
    b->order = "the official lists'";
    return st;
}

gopro_status gp_ds_from_known(gp_ds_build *b, const gp_known *k, const char *folder, gopro_error *err)
{
    char *images = gp_known_images(k, folder);
    if (!images) return gp_fail_nomem(err, 0, "a path");
    gopro_status st;
    switch (k->layout) {
    case GP_LAYOUT_SPLIT:
        st = from_split(b, k, folder, images, err);
        break;
    case GP_LAYOUT_LISTS:
        st = from_lists(b, k, folder, err);
        break;
    case GP_LAYOUT_NUMBERED:
        st = from_numbers(b, k, folder, images, err);
        break;
    default:
        st = from_wnids(b, k, folder, images, err);
    }
    free(images);
    return st;
}
