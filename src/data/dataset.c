/* dataset.c - opening a dataset: which reader, its name and template, and the checks that every list must pass.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "data/dataset_int.h"

#define MAX_SPLIT_BYTES ((size_t)256 << 20)
#define MAX_INFO_BYTES  ((size_t)1 << 20)
#define MAX_LABEL       ((size_t)1000000)
#define TEMPLATE        "a photo of a {}."

gopro_status gp_ds_init(gp_ds_build *b, const gp_data_rules *r, const gp_log *log, gopro_error *err)
{
    *b = (gp_ds_build){.rules = r ? *r : (gp_data_rules){.split_seed = 1}, .log = log};
    b->arena = gp_arena_create((size_t)1 << 16);
    return b->arena ? GOPRO_OK : gp_fail_nomem(err, (size_t)1 << 16, "a dataset");
}

void gp_ds_free(gp_ds_build *b)
{
    gp_arena_free(&b->arena);
    for (int p = 0; p < GP_PARTS; p++) free(b->item[p]);
    free(b->class_name);
    *b = (gp_ds_build){0};
}

gopro_status gp_ds_add(gp_ds_build *b, gp_part part, const char *path, size_t label, gopro_error *err)
{
    if (label > MAX_LABEL) return gp_fail(err, GOPRO_E_DATA, "label %zu of '%s' is too large; expected labels from 0", label, path);
    if (b->n[part] == b->cap[part]) {
        size_t cap = b->cap[part] ? 2 * b->cap[part] : 64;
        gp_item *v = reallocarray(b->item[part], cap, sizeof *v);
        if (!v) return gp_fail_nomem(err, cap * sizeof *v, "a list of images");
        b->item[part] = v;
        b->cap[part] = cap;
    }
    char *copy = gp_arena_strdup(b->arena, path);
    if (!copy) return gp_fail_nomem(err, strlen(path) + 1, "a path");
    b->item[part][b->n[part]++] = (gp_item){.path = copy, .label = (uint32_t)label};
    return GOPRO_OK;
}

gopro_status gp_ds_name(gp_ds_build *b, size_t label, const char *name, gopro_error *err)
{
    if (label > MAX_LABEL) return gp_fail(err, GOPRO_E_DATA, "label %zu of class '%s' is too large; expected labels from 0", label, name);
    if (name[0] == '\0') return gp_fail(err, GOPRO_E_DATA, "the name of class %zu is empty", label);
    if (label >= b->n_classes) {
        char **v = reallocarray(b->class_name, label + 1, sizeof *v);
        if (!v) return gp_fail_nomem(err, (label + 1) * sizeof *v, "class names");
        for (size_t i = b->n_classes; i <= label; i++) v[i] = NULL;
        b->class_name = v;
        b->n_classes = label + 1;
    }
    if (!b->class_name[label]) {
        b->class_name[label] = gp_arena_strdup(b->arena, name);
        return b->class_name[label] ? GOPRO_OK : gp_fail_nomem(err, strlen(name) + 1, "a class name");
    }
    if (strcmp(b->class_name[label], name) != 0)
        return gp_fail(err, GOPRO_E_DATA, "label %zu has two names, '%s' and '%s'; expected one name per label", label,
                       b->class_name[label], name);
    return GOPRO_OK;
}

/* ---- checks ---- */

/* Names that give the same prompt: case and '_' against ' ' do not tell classes apart. */
static int compare_folded(const void *pa, const void *pb)
{
    const char *a = *(char *const *)pa, *b = *(char *const *)pb;
    for (;; a++, b++) {
        int ca = *a == '_' ? ' ' : *a >= 'A' && *a <= 'Z' ? *a + 32 : (unsigned char)*a;
        int cb = *b == '_' ? ' ' : *b >= 'A' && *b <= 'Z' ? *b + 32 : (unsigned char)*b;
        if (ca != cb || ca == 0) return ca - cb;
    }
}

/* Folders that differ in case only are a mistake; published split files do hold a name twice, so there it is only said. */
static gopro_status check_duplicates(const gp_ds_build *b, const char *what, bool from_file, gopro_error *err)
{
    char **v = malloc(b->n_classes * sizeof *v);
    if (!v) return gp_fail_nomem(err, b->n_classes * sizeof *v, "class names");
    memcpy(v, b->class_name, b->n_classes * sizeof *v);
    qsort(v, b->n_classes, sizeof *v, compare_folded);
    gopro_status st = GOPRO_OK;
    for (size_t i = 1; i < b->n_classes && st == GOPRO_OK; i++) {
        if (compare_folded(&v[i - 1], &v[i]) != 0) continue;
        if (from_file)
            gp_logf(b->log, GP_LOG_WARN, "'%s': two classes are both named '%s': their prompts will be equal", what, v[i]);
        else
            st = gp_fail(err, GOPRO_E_DATA, "'%s': the classes '%s' and '%s' are duplicates, their prompts would be equal; merge or rename",
                         what, v[i - 1], v[i]);
    }
    free(v);
    return st;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* An image listed twice may leak from training into testing: said, but published lists are taken as they are. */
static gopro_status check_repeated_paths(const gp_ds_build *b, size_t total, const char *what, gopro_error *err)
{
    const char **v = malloc(total * sizeof *v);
    if (!v) return gp_fail_nomem(err, total * sizeof *v, "paths");
    size_t n = 0, repeated = 0;
    const char *example = NULL;
    for (int p = 0; p < GP_PARTS; p++)
        for (size_t i = 0; i < b->n[p]; i++) v[n++] = b->item[p][i].path;
    qsort(v, n, sizeof *v, compare_paths);
    for (size_t i = 1; i < n; i++)
        if (strcmp(v[i - 1], v[i]) == 0) repeated++, example = v[i];
    if (repeated) gp_logf(b->log, GP_LOG_WARN, "'%s': %zu images are listed more than once, for example '%s'", what, repeated, example);
    free(v);
    return GOPRO_OK;
}

static gopro_status check(const gp_ds_build *b, const char *what, bool from_file, gopro_error *err)
{
    const size_t total = b->n[GP_PART_TRAIN] + b->n[GP_PART_VAL] + b->n[GP_PART_TEST];
    if (total == 0) return gp_fail(err, GOPRO_E_DATA, "'%s': no images; expected one sub-folder of images per class, or split.json", what);
    for (size_t k = 0; k < b->n_classes; k++)
        if (!b->class_name[k])
            return gp_fail(err, GOPRO_E_DATA, "'%s': label %zu does not occur but %zu does; expected labels from 0 without gaps", what, k,
                           b->n_classes - 1);
    if (b->n_classes < 2) return gp_fail(err, GOPRO_E_DATA, "'%s': only one class, '%s'; expected at least two", what, b->class_name[0]);
    GP_TRY(check_duplicates(b, what, from_file, err));
    return check_repeated_paths(b, total, what, err);
}

/* ---- name and template ---- */

static gopro_status read_string(char **out, gp_arena *a, json_t *o, const char *key, const char *path, gopro_error *err)
{
    json_t *v = json_object_get(o, key);
    if (!v) return GOPRO_OK;
    if (!json_is_string(v) || json_string_length(v) == 0)
        return gp_fail(err, GOPRO_E_DATA, "'%s': \"%s\" must be a non-empty string", path, key);
    *out = gp_arena_strdup(a, json_string_value(v));
    return *out ? GOPRO_OK : gp_fail_nomem(err, json_string_length(v), "a dataset");
}

static gopro_status read_info(gp_dataset *d, gp_arena *a, const char *path, gopro_error *err)
{
    char *text = NULL;
    size_t size = 0;
    json_error_t je;
    GP_TRY(gp_read_file(&text, &size, path, MAX_INFO_BYTES, err));
    json_t *o = json_loadb(text, size, JSON_REJECT_DUPLICATES, &je);
    free(text);
    if (!o) return gp_fail(err, GOPRO_E_DATA, "'%s' line %d: %s", path, je.line, je.text);
    gopro_status st = GOPRO_OK;
    if (!json_is_object(o)) {
        st = gp_fail(err, GOPRO_E_DATA, "'%s': expected an object with \"name\" and \"template\"", path);
        goto out;
    }
    GP_CHECK(read_string(&d->name, a, o, "name", path, err));
    GP_CHECK(read_string(&d->template_text, a, o, "template", path, err));
    if (d->template_text && !strstr(d->template_text, "{}"))
        st = gp_fail(err, GOPRO_E_DATA, "'%s': the template '%s' has no {} for the class name", path, d->template_text);
out:
    json_decref(o);
    return st;
}

static char *last_component(gp_arena *a, const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    char *s = gp_arena_alloc(a, end - start + 1, 1);
    if (s) memcpy(s, path + start, end - start);
    return s;
}

static bool ends_in_json(const char *path)
{
    size_t n = strlen(path);
    return n > 5 && strcmp(path + n - 5, ".json") == 0;
}

/* The split file to read, malloc'ed, or NULL for a folder per class; *root is the folder of the images (malloc'ed). */
static gopro_status find_source(char **split, char **root, const char *path, gopro_error *err)
{
    *split = *root = NULL;
    if (gp_path_is_dir(path)) {
        *root = gp_path_join(path, "");
        *split = gp_path_join(path, "split.json");
        if (!*root || !*split) return gp_fail_nomem(err, strlen(path), "a path");
        size_t n = strlen(*root);
        while (n > 1 && (*root)[n - 1] == '/') (*root)[--n] = '\0';
        if (!gp_path_exists(*split)) {
            free(*split);
            *split = NULL;
        }
        return GOPRO_OK;
    }
    if (!gp_path_exists(path)) return gp_fail(err, GOPRO_E_DATA, "dataset '%s' does not exist; expected a folder", path);
    if (!ends_in_json(path)) return gp_fail(err, GOPRO_E_DATA, "'%s' is a file; expected a folder with one sub-folder per class", path);
    const char *slash = strrchr(path, '/');
    *split = gp_path_join(NULL, path);
    *root = slash ? strndup(path, slash > path ? (size_t)(slash - path) : 1) : strndup(".", 1);
    return *split && *root ? GOPRO_OK : gp_fail_nomem(err, strlen(path), "a path");
}

static gopro_status read_lists(gp_ds_build *b, const char *root, const char *split, gopro_error *err)
{
    if (!split) return gp_ds_from_folder(b, root, err);
    char *text = NULL;
    size_t size = 0;
    if (gp_read_file(&text, &size, split, MAX_SPLIT_BYTES, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "split file");
    gopro_status st = gp_ds_from_json(b, text, size, split, err);
    free(text);
    return st;
}

/* Moves what was built into the dataset. */
static gopro_status finish(gp_dataset *d, gp_ds_build *b, const char *root, gopro_error *err)
{
    char *info = gp_path_join(root, "dataset.json");
    if (!info) return gp_fail_nomem(err, strlen(root), "a path");
    gopro_status st = gp_path_exists(info) ? read_info(d, b->arena, info, err) : GOPRO_OK;
    free(info);
    if (st != GOPRO_OK) return st;
    if (!d->name) d->name = last_component(b->arena, root);
    if (!d->template_text) d->template_text = gp_arena_strdup(b->arena, TEMPLATE);
    d->root = gp_arena_strdup(b->arena, root);
    if (!d->name || !d->template_text || !d->root) return gp_fail_nomem(err, strlen(root), "a dataset");
    gp_split *part[GP_PARTS] = {&d->train, &d->val, &d->test};
    for (int p = 0; p < GP_PARTS; p++) {
        *part[p] = (gp_split){b->item[p], b->n[p]};
        b->item[p] = NULL;
    }
    d->class_name = b->class_name;
    d->n_classes = b->n_classes;
    d->own = b->arena;
    b->class_name = NULL;
    b->arena = NULL;
    return GOPRO_OK;
}

gopro_status gp_dataset_open(gp_dataset **out, const char *path, const gp_data_rules *r, const gp_log *log, gopro_error *err)
{
    *out = NULL;
    char *split = NULL, *root = NULL;
    gp_dataset *d = NULL;
    gp_ds_build b = {0};
    gopro_status st = GOPRO_OK;
    GP_CHECK(find_source(&split, &root, path, err));
    GP_CHECK(gp_ds_init(&b, r, log, err));
    GP_CHECK(read_lists(&b, root, split, err));
    GP_CHECK(check(&b, split ? split : root, split != NULL, err));
    d = calloc(1, sizeof *d);
    if (!d) {
        st = gp_fail_nomem(err, sizeof *d, "a dataset");
        goto out;
    }
    GP_CHECK(finish(d, &b, root, err));
    *out = d;
    d = NULL;
out:
    free(d);
    gp_ds_free(&b);
    free(split);
    free(root);
    return st;
}

void gp_dataset_free(gp_dataset **pd)
{
    gp_dataset *d = *pd;
    if (!d) return;
    gp_arena *a = d->own;
    free(d->train.item);
    free(d->val.item);
    free(d->test.item);
    free(d->class_name);
    gp_arena_free(&a);
    free(d);
    *pd = NULL;
}
