/* dataset_json.c - split files: arrays train, val and test of [path, label, class name] (DATASETS.md 3).
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <string.h>

#include "data/dataset_int.h"

/* Relative, and never out of the folder. */
static bool safe_path(const char *p)
{
    if (p[0] == '\0' || p[0] == '/') return false;
    for (const char *s = p; *s;) {
        const char *e = strchrnul(s, '/');
        if (e - s == 2 && s[0] == '.' && s[1] == '.') return false;
        s = *e ? e + 1 : e;
    }
    return true;
}

static gopro_status read_entry(gp_ds_build *b, gp_part part, json_t *e, gopro_error *err)
{
    if (!json_is_array(e) || json_array_size(e) != 3) return gp_fail(err, GOPRO_E_DATA, "expected [path, label, class name]");
    json_t *path = json_array_get(e, 0), *label = json_array_get(e, 1), *name = json_array_get(e, 2);
    if (!json_is_string(path) || !json_is_integer(label) || !json_is_string(name))
        return gp_fail(err, GOPRO_E_DATA, "expected [path, label, class name] as a string, an integer and a string");
    if (!safe_path(json_string_value(path)))
        return gp_fail(err, GOPRO_E_DATA, "the path '%s' is not allowed; expected one relative to the split file, without '..'",
                       json_string_value(path));
    const json_int_t k = json_integer_value(label);
    if (k < 0) return gp_fail(err, GOPRO_E_DATA, "label %lld is negative; expected labels from 0", (long long)k);
    GP_TRY(gp_ds_name(b, (size_t)k, json_string_value(name), err));
    return gp_ds_add(b, part, json_string_value(path), (size_t)k, err);
}

static gopro_status read_part(gp_ds_build *b, gp_part part, json_t *list, const char *key, const char *what, gopro_error *err)
{
    if (!list) return GOPRO_OK;
    if (!json_is_array(list)) return gp_fail(err, GOPRO_E_DATA, "'%s': \"%s\" must be an array", what, key);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (read_entry(b, part, json_array_get(list, i), err) != GOPRO_OK)
            return gp_fail_in(err, GOPRO_E_DATA, "'%s': %s entry %zu", what, key, i);
    return GOPRO_OK;
}

gopro_status gp_ds_from_json(gp_ds_build *b, const char *text, size_t size, const char *what, gopro_error *err)
{
    static const char *const key[GP_PARTS] = {"train", "val", "test"};
    json_error_t je;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &je);
    if (!root) return gp_fail(err, GOPRO_E_DATA, "'%s' line %d column %d: %s", what, je.line, je.column, je.text);
    gopro_status st = GOPRO_OK;
    if (!json_is_object(root) || (!json_object_get(root, "train") && !json_object_get(root, "test"))) {
        st = gp_fail(err, GOPRO_E_DATA, "'%s': expected an object with the arrays train, val and test", what);
        goto out;
    }
    for (int p = 0; p < GP_PARTS; p++) GP_CHECK(read_part(b, (gp_part)p, json_object_get(root, key[p]), key[p], what, err));
out:
    json_decref(root);
    return st;
}
