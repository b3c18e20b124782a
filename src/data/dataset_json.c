/* dataset_json.c - split files: arrays train, val and test of [path, label, class name] (DATASETS.md 3).
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "data/dataset_int.h"
#include "data/json_scan.h"

static gopro_status read_entry(gp_ds_build *b, gp_part part, gp_json_scan *s, gp_str *path, gopro_error *err)
{
    long long k = 0;
    if (!gp_json_take(s, '[')) return gp_json_fail(s, "[path, label, class name]", err);
    GP_TRY(gp_json_string(s, err));
    path->len = 0;
    gp_str_addn(path, s->text.s, s->text.len);
    if (path->failed) return gp_fail_nomem(err, s->text.len, "a path");
    if (!gp_json_take(s, ',')) return gp_json_fail(s, "[path, label, class name]", err);
    GP_TRY(gp_json_integer(s, &k, err));
    if (!gp_json_take(s, ',')) return gp_json_fail(s, "[path, label, class name]", err);
    GP_TRY(gp_json_string(s, err));
    if (!gp_json_take(s, ']')) return gp_json_fail(s, "[path, label, class name]", err);
    GP_TRY(gp_path_check(b, path->s, err));
    if (k < 0) return gp_fail(err, GOPRO_E_DATA, "label %lld is negative; expected labels from 0", k);
    GP_TRY(gp_ds_name(b, (size_t)k, s->text.s, err));
    return gp_ds_add(b, part, path->s, (size_t)k, err);
}

static gopro_status read_part(gp_ds_build *b, gp_part part, gp_json_scan *s, gopro_error *err)
{
    gp_str path = {0};
    size_t i = 0;
    if (!gp_json_take(s, '[')) return gp_fail(err, GOPRO_E_DATA, "'%s': \"%s\" must be an array", s->what, gp_part_name[part]);
    gopro_status st = GOPRO_OK;
    if (gp_json_take(s, ']')) return GOPRO_OK;
    do {
        st = read_entry(b, part, s, &path, err);
        if (st != GOPRO_OK) st = gp_fail_in(err, GOPRO_E_DATA, "'%s': %s entry %zu", s->what, gp_part_name[part], i);
        i++;
    } while (st == GOPRO_OK && gp_json_take(s, ','));
    if (st == GOPRO_OK) st = gp_json_need(s, ']', err);
    gp_str_free(&path);
    return st;
}

static gopro_status read_members(gp_ds_build *b, gp_json_scan *s, bool seen[GP_PARTS], gopro_error *err)
{
    do {
        GP_TRY(gp_json_string(s, err));
        const gp_part p = gp_part_parse(s->text.s, s->text.len);
        char key[64];
        snprintf(key, sizeof key, "%.60s", s->text.s);
        GP_TRY(gp_json_need(s, ':', err));
        if (p == GP_PARTS) {
            if (gp_json_peek(s) == '[') /* a list that would be lost */
                return gp_fail(err, GOPRO_E_DATA, "'%s': the list \"%s\" is none of train, val and test; rename or remove it", s->what,
                               key);
            GP_TRY(gp_json_skip(s, err));
            continue;
        }
        if (seen[p]) return gp_json_fail(s, "each of train, val and test once", err);
        seen[p] = true;
        GP_TRY(read_part(b, p, s, err));
    } while (gp_json_take(s, ','));
    return GOPRO_OK;
}

static gopro_status read_file(gp_ds_build *b, gp_json_scan *s, gopro_error *err)
{
    bool seen[GP_PARTS] = {false, false, false};
    if (gp_json_peek(s) != '{') {
        if (gp_json_peek(s) == '[')
            return gp_fail(err, GOPRO_E_DATA, "'%s': expected an object with the arrays train, val and test", s->what);
        return gp_json_fail(s, "an object with the arrays train, val and test", err);
    }
    s->p++;
    if (!gp_json_take(s, '}')) {
        GP_TRY(read_members(b, s, seen, err));
        GP_TRY(gp_json_need(s, '}', err));
    }
    gp_json_peek(s);
    if (s->p < s->end) return gp_json_fail(s, "the end of the file", err);
    if (!seen[GP_PART_TRAIN] && !seen[GP_PART_TEST])
        return gp_fail(err, GOPRO_E_DATA, "'%s': expected an object with the arrays train, val and test", s->what);
    b->order = "the split file's";
    b->same_names_ok = true;
    return GOPRO_OK;
}

gopro_status gp_ds_from_json(gp_ds_build *b, const char *text, size_t size, const char *what, gopro_error *err)
{
    gp_json_scan s;
    gp_json_begin(&s, text, size, what);
    gopro_status st = read_file(b, &s, err);
    gp_json_end(&s);
    return st;
}
