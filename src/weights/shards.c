/* shards.c - see shards.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "weights/shards.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"

enum { MAX_INDEX = 64 << 20, MAX_SHARDS = 4096 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static json_t *weight_map(const gp_shards *s)
{
    return json_object_get(s->root, "weight_map");
}

static gopro_status collect(gp_shards *s, const char *label, gopro_error *err)
{
    json_t *map = weight_map(s);
    if (!json_is_object(map) || json_object_size(map) == 0)
        return gp_fail(err, GOPRO_E_FORMAT, "%s: no weight_map from tensors to files", label);
    const char **all = calloc(json_object_size(map), sizeof *all);
    if (!all) return gp_fail_nomem(err, json_object_size(map) * sizeof *all, label);
    gopro_status st = GOPRO_OK;
    size_t n = 0;
    for (void *it = json_object_iter(map); it && st == GOPRO_OK; it = json_object_iter_next(map, it)) {
        const char *f = json_string_value(json_object_iter_value(it));
        if (!f || !*f || strchr(f, '/') || strcmp(f, "..") == 0 || strcmp(f, ".") == 0)
            st = gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s' lies in '%.200s', which is no file name in this folder", label,
                         json_object_iter_key(it), f ? f : "something that is no text");
        else
            all[n++] = f;
    }
    if (st == GOPRO_OK) qsort(all, n, sizeof *all, by_text);
    size_t unique = 0;
    for (size_t i = 0; i < n; i++)
        if (unique == 0 || strcmp(all[unique - 1], all[i]) != 0) all[unique++] = all[i];
    if (st == GOPRO_OK && unique > MAX_SHARDS)
        st = gp_fail(err, GOPRO_E_FORMAT, "%s: %zu files, at most %d", label, unique, (int)MAX_SHARDS);
    if (st == GOPRO_OK && !(s->file = calloc(unique, sizeof *s->file))) st = gp_fail_nomem(err, unique * sizeof *s->file, label);
    for (size_t i = 0; i < unique && st == GOPRO_OK; i++) {
        s->file[s->n_file] = gp_strdup(all[i]);
        if (!s->file[s->n_file++]) st = gp_fail_nomem(err, strlen(all[i]), label);
    }
    free(all);
    return st;
}

gopro_status gp_shards_parse(gp_shards *s, const char *text, size_t size, const char *label, gopro_error *err)
{
    json_error_t je;
    *s = (gp_shards){0};
    s->root = gp_json_load(text, size, GP_JSON_MANY, &je);
    gopro_status st =
        s->root ? collect(s, label, err) : gp_fail(err, GOPRO_E_FORMAT, "%s: line %d, column %d: %s", label, je.line, je.column, je.text);
    if (st != GOPRO_OK) gp_shards_free(s);
    return st;
}

gopro_status gp_shards_read(gp_shards *s, const char *path, gopro_error *err)
{
    char *text;
    size_t size;
    *s = (gp_shards){0};
    GP_TRY(gp_read_file(&text, &size, path, MAX_INDEX, err));
    gopro_status st = gp_shards_parse(s, text, size, path, err);
    free(text);
    return st;
}

void gp_shards_free(gp_shards *s)
{
    for (size_t i = 0; i < s->n_file; i++) free(s->file[i]);
    free(s->file);
    json_decref(s->root);
    *s = (gp_shards){0};
}

gopro_status gp_shards_check(const gp_shards *s, const gp_tensors *t, const char *label, gopro_error *err)
{
    json_t *map = weight_map(s);
    for (size_t i = 0; i < t->n; i++)
        if (!json_object_get(map, t->v[i].name))
            return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s' of the shards is not in the index", label, t->v[i].name);
    for (void *it = json_object_iter(map); it; it = json_object_iter_next(map, it))
        if (!gp_tensors_find(t, json_object_iter_key(it)))
            return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s' is in the index but in none of the files", label,
                           json_object_iter_key(it));
    return GOPRO_OK;
}
