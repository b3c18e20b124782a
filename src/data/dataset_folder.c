/* dataset_folder.c - one sub-folder per class, with or without a train/val/test level above (DATASETS.md 4.6).
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "data/dataset_int.h"
#include "image/image.h"

static const char *const level_name[GP_PARTS] = {"train", "val", "test"};

/* Visible sub-folders of a folder, sorted bytewise. */
static gopro_status list_folders(char ***names, size_t *n, const char *path, gopro_error *err)
{
    gopro_status st = gp_list_dir(names, n, path, err);
    if (st != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "dataset");
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        char *full = (*names)[i][0] == '.' ? NULL : gp_path_join(path, (*names)[i]);
        bool keep = full && gp_path_is_dir(full);
        free(full);
        if (!keep) continue;
        char *t = (*names)[kept];
        (*names)[kept++] = (*names)[i];
        (*names)[i] = t;
    }
    for (size_t i = kept; i < *n; i++) {
        free((*names)[i]);
        (*names)[i] = NULL;
    }
    *n = kept;
    return GOPRO_OK;
}

/* Image names of a class folder, sorted bytewise, in `names`; anything else visible is an error or counted. */
static gopro_status list_images(gp_ds_build *b, char ***names, size_t *n, const char *folder, gopro_error *err)
{
    size_t kept = 0;
    *n = 0;
    if (gp_list_dir(names, n, folder, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "class folder");
    for (size_t i = 0; i < *n; i++) {
        char *name = (*names)[i], *full = NULL;
        if (name[0] == '.') continue;
        if (!(full = gp_path_join(folder, name))) return gp_fail_nomem(err, strlen(folder), "a path");
        const bool is_dir = gp_path_is_dir(full), image = gp_image_known_name(name) && !is_dir;
        free(full);
        if (image) {
            (*names)[i] = (*names)[kept];
            (*names)[kept++] = name;
            continue;
        }
        if (!b->rules.skip_bad_images)
            return gp_fail(err, GOPRO_E_DATA,
                           "'%s/%s' is %s; expected .jpg, .jpeg, .png or .webp images only: remove it or set data.skip_bad", folder, name,
                           is_dir ? "a folder inside a class folder" : "not an image");
        if (b->n_skipped++ == 0) gp_logf(b->log, GP_LOG_WARN, "'%s/%s' is not an image: skipped", folder, name);
    }
    for (size_t i = kept; i < *n; i++) {
        free((*names)[i]);
        (*names)[i] = NULL;
    }
    *n = kept;
    return GOPRO_OK;
}

/* Adds files[order[i]] for first <= i < first + count, with a path relative to the root. */
static gopro_status add_files(gp_ds_build *b, gp_part part, const char *prefix, char **files, const uint32_t *order, size_t first,
                              size_t count, size_t label, gopro_error *err)
{
    for (size_t i = first; i < first + count; i++) {
        char *rel = gp_path_join(prefix, files[order ? order[i] : i]);
        if (!rel) return gp_fail_nomem(err, strlen(prefix), "a path");
        gopro_status st = gp_ds_add(b, part, rel, label, err);
        free(rel);
        if (st != GOPRO_OK) return st;
    }
    return GOPRO_OK;
}

/* 50/20/30 per class, counts rounded half to even; a class of two or more keeps at least one image on either side. */
static gopro_status split_class(gp_ds_build *b, gp_mt19937 *m, const char *name, char **files, size_t n, size_t label, gopro_error *err)
{
    size_t n_train = (size_t)nearbyint((double)n * 0.5), n_val = (size_t)nearbyint((double)n * 0.2);
    if (n_train == 0) n_train = 1;
    while (n > 1 && n_train + n_val >= n) {
        if (n_val > 0)
            n_val--;
        else
            n_train--;
    }
    if (n == 1) n_val = 0;
    uint32_t *order = malloc(n * sizeof *order);
    if (!order) return gp_fail_nomem(err, n * sizeof *order, "a split");
    for (size_t i = 0; i < n; i++) order[i] = (uint32_t)i;
    gp_mt_shuffle(m, order, (uint32_t)n);
    gopro_status st = add_files(b, GP_PART_TRAIN, name, files, order, 0, n_train, label, err);
    if (st == GOPRO_OK) st = add_files(b, GP_PART_VAL, name, files, order, n_train, n_val, label, err);
    if (st == GOPRO_OK) st = add_files(b, GP_PART_TEST, name, files, order, n_train + n_val, n - n_train - n_val, label, err);
    free(order);
    return st;
}

static gopro_status read_flat(gp_ds_build *b, const char *root, char **classes, size_t n_classes, gopro_error *err)
{
    gp_mt19937 m;
    gp_mt_seed(&m, b->rules.split_seed);
    for (size_t k = 0; k < n_classes; k++) {
        char **files = NULL, *folder = gp_path_join(root, classes[k]);
        size_t n = 0;
        gopro_status st = folder ? list_images(b, &files, &n, folder, err) : gp_fail_nomem(err, strlen(root), "a path");
        if (st == GOPRO_OK && n == 0) st = gp_fail(err, GOPRO_E_DATA, "class folder '%s' has no images: add some or remove it", folder);
        if (st == GOPRO_OK && n >= UINT32_MAX) st = gp_fail(err, GOPRO_E_DATA, "class folder '%s' has too many files", folder);
        if (st == GOPRO_OK) st = gp_ds_name(b, k, classes[k], err);
        if (st == GOPRO_OK) st = split_class(b, &m, classes[k], files, n, k, err);
        free(folder);
        gp_list_free(&files, n);
        if (st != GOPRO_OK) return st;
    }
    return GOPRO_OK;
}

static int compare_key(const void *key, const void *elem)
{
    return strcmp(key, *(char *const *)elem);
}

/* One class of one level.  An empty class is an error where the labels come from, and said elsewhere. */
static gopro_status read_class(gp_ds_build *b, const char *root, gp_part part, const char *name, size_t label, bool strict,
                               gopro_error *err)
{
    char **files = NULL, *rel = gp_path_join(level_name[part], name), *folder = rel ? gp_path_join(root, rel) : NULL;
    size_t n = 0;
    gopro_status st = folder ? list_images(b, &files, &n, folder, err) : gp_fail_nomem(err, strlen(root), "a path");
    if (st == GOPRO_OK && n == 0) {
        if (strict)
            st = gp_fail(err, GOPRO_E_DATA, "class folder '%s' has no images: add some or remove it", folder);
        else
            gp_logf(b->log, GP_LOG_WARN, "class folder '%s' has no images", folder);
    }
    if (st == GOPRO_OK) st = gp_ds_name(b, label, name, err);
    if (st == GOPRO_OK) st = add_files(b, part, rel, files, NULL, 0, n, label, err);
    free(folder);
    free(rel);
    gp_list_free(&files, n);
    return st;
}

static gopro_status read_levels(gp_ds_build *b, const char *root, const bool has[GP_PARTS], gopro_error *err)
{
    char **classes = NULL;
    size_t n_classes = 0;
    const gp_part source = has[GP_PART_TRAIN] ? GP_PART_TRAIN : GP_PART_TEST;
    gopro_status st = GOPRO_OK;
    for (int round = 0; round < GP_PARTS + 1 && st == GOPRO_OK; round++) {
        /* The level that names the classes first, then all three. */
        const gp_part part = round == 0 ? source : (gp_part)(round - 1);
        if (!has[part]) continue;
        char *level = gp_path_join(root, level_name[part]), **names = NULL;
        size_t n = 0;
        st = level ? list_folders(&names, &n, level, err) : gp_fail_nomem(err, strlen(root), "a path");
        if (st == GOPRO_OK && round == 0) {
            classes = names, n_classes = n;
            names = NULL, n = 0;
        }
        for (size_t i = 0; i < n && st == GOPRO_OK; i++) {
            char **at = n_classes ? bsearch(names[i], classes, n_classes, sizeof *classes, compare_key) : NULL;
            if (!at)
                st = gp_fail(err, GOPRO_E_DATA, "class '%s' of '%s' does not occur in '%s/%s'; expected the same class folders", names[i],
                             level, root, level_name[source]);
            else
                st = read_class(b, root, part, names[i], (size_t)(at - classes), part == source, err);
        }
        free(level);
        gp_list_free(&names, n);
    }
    gp_list_free(&classes, n_classes);
    return st;
}

/* True if the sub-folders are train, val, test (not all needed) and hold folders themselves: a class may be called "train". */
static gopro_status find_levels(bool *levels, bool has[GP_PARTS], const char *root, char **names, size_t n, gopro_error *err)
{
    *levels = n > 0;
    for (size_t i = 0; i < n && *levels; i++) {
        int p = 0;
        while (p < GP_PARTS && strcmp(names[i], level_name[p]) != 0) p++;
        if (p == GP_PARTS) {
            *levels = false;
            break;
        }
        char **inner = NULL, *path = gp_path_join(root, names[i]);
        size_t n_inner = 0;
        if (!path) return gp_fail_nomem(err, strlen(root), "a path");
        gopro_status st = list_folders(&inner, &n_inner, path, err);
        free(path);
        if (st != GOPRO_OK) return st;
        gp_list_free(&inner, n_inner);
        has[p] = true;
        if (n_inner == 0) *levels = false;
    }
    if (!has[GP_PART_TRAIN] && !has[GP_PART_TEST]) *levels = false;
    return GOPRO_OK;
}

gopro_status gp_ds_from_folder(gp_ds_build *b, const char *root, gopro_error *err)
{
    char **names = NULL;
    size_t n = 0;
    bool levels = false, has[GP_PARTS] = {false, false, false};
    gopro_status st = list_folders(&names, &n, root, err);
    if (st == GOPRO_OK) st = find_levels(&levels, has, root, names, n, err);
    if (st == GOPRO_OK) st = levels ? read_levels(b, root, has, err) : read_flat(b, root, names, n, err);
    if (st == GOPRO_OK && b->n_skipped)
        gp_logf(b->log, GP_LOG_WARN, "'%s': %zu files that are not images were skipped", root, b->n_skipped);
    gp_list_free(&names, n);
    return st;
}
