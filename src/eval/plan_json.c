/* plan_json.c - plan.json: what a report needs to find its runs again.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "data/strings.h"
#include "eval/plan.h"
#include "train/json_file.h"

#define GP_PLAN_SCHEMA 1

static json_t *entries_json(const gp_plan *p)
{
    json_t *a = json_array();
    for (size_t e = 0; e < p->n_entries; e++) {
        json_t *options = json_array();
        for (size_t i = 0; i < p->entry[e].n_options; i++) json_array_append_new(options, json_string(p->entry[e].option[i]));
        json_array_append_new(a, json_pack("{s:s,s:s,s:o,s:s,s:o}", "title", p->entry[e].title, "method", p->entry[e].method, "options",
                                           options, "series", p->entry[e].series, "x",
                                           isfinite(p->entry[e].x) ? json_real(p->entry[e].x) : json_null()));
    }
    return a;
}

static json_t *runs_json(const gp_plan *p)
{
    json_t *a = json_array();
    for (size_t d = 0; d < gp_plan_trained(p); d++)
        for (size_t e = 0; e < p->n_entries; e++)
            for (size_t s = 0; s < p->n_seeds; s++) {
                const gp_unit *u = gp_plan_unit(p, d, e, s);
                json_array_append_new(a, json_pack("{s:s,s:I}", "folder", u->folder, "seed", (json_int_t)u->seed));
            }
    return a;
}

gopro_status gp_plan_write(const gp_plan *p, gopro_error *err)
{
    json_t *seeds = json_array(), *sets = json_array();
    for (size_t s = 0; s < p->n_seeds; s++) json_array_append_new(seeds, json_integer((json_int_t)p->seed[s]));
    for (size_t d = 0; d < p->n_data; d++) json_array_append_new(sets, json_string(p->dataset[d]));
    json_t *j = json_pack("{s:i,s:s,s:s,s:s,s:s,s:s,s:b,s:s,s:o,s:o,s:o,s:o}", "schema", GP_PLAN_SCHEMA, "protocol",
                          gp_protocol_name(p->protocol), "title", p->title, "axis", p->axis, "backbone", p->backbone, "backbone_path",
                          p->backbone_path, "embedded_drawings", (int)p->embedded, "select", p->select, "seeds", seeds, "datasets", sets,
                          "entries", entries_json(p), "runs", runs_json(p));
    char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL, *folder = gp_path_join(p->out, p->name);
    char *path = folder ? gp_path_join(folder, "plan.json") : NULL;
    gopro_status st = text && path ? gp_mkdirs(folder, err) : gp_fail_nomem(err, 0, "plan.json");
    if (st == GOPRO_OK) st = gp_write_file(path, text, strlen(text), err);
    json_decref(j);
    free(text);
    free(folder);
    free(path);
    return st;
}

/* These texts reach terminals and tables, whoever wrote the file. */
static char *plain_copy(const char *s)
{
    char *copy = gp_strdup(s);
    if (copy) gp_plain_text(copy);
    return copy;
}

static char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? plain_copy(s) : NULL;
}

static bool entry_read(gp_entry *e, const json_t *j)
{
    const json_t *options = json_object_get(j, "options"), *x = json_object_get(j, "x");
    e->title = text_of(j, "title");
    e->method = text_of(j, "method");
    e->series = text_of(j, "series");
    e->x = json_is_number(x) ? json_number_value(x) : (double)NAN;
    e->option = calloc(json_array_size(options) + 1, sizeof *e->option);
    if (!e->title || !e->method || !e->series || !e->option) return false;
    for (size_t i = 0; i < json_array_size(options); i++) {
        const char *s = json_string_value(json_array_get(options, i));
        if (!s || !(e->option[e->n_options] = plain_copy(s))) return false;
        e->n_options++;
    }
    return true;
}

/* A path from a file that somebody may have edited stays below OUT. */
static bool inside(const char *folder)
{
    return strncmp(folder, "runs/", 5) == 0 && !strstr(folder, "..");
}

static bool runs_read(gp_plan *p, const json_t *runs)
{
    size_t n = gp_plan_trained(p) * p->n_entries * p->n_seeds;
    p->unit = calloc(n, sizeof *p->unit);
    p->index = calloc(n, sizeof *p->index);
    gp_strings *pool = gp_strings_create();
    gp_intern known = {.pool = pool};
    bool ok = p->unit && p->index && pool && json_array_size(runs) == n;
    for (size_t i = 0; ok && i < n; i++) {
        const json_t *r = json_array_get(runs, i);
        const char *folder = json_string_value(json_object_get(r, "folder"));
        uint32_t at;
        if (!folder || !inside(folder) || !gp_intern_add(&known, &at, folder, strlen(folder))) {
            ok = false;
            break;
        }
        p->index[i] = at;
        if (at < p->n_units) continue;
        gp_unit *u = &p->unit[p->n_units];
        u->data = i / p->n_seeds / p->n_entries;
        u->entry = i / p->n_seeds % p->n_entries;
        u->seed = (uint64_t)json_integer_value(json_object_get(r, "seed"));
        ok = (u->folder = gp_strdup(folder)) != NULL;
        p->n_units += ok;
    }
    gp_intern_free(&known);
    gp_strings_free(&pool);
    return ok;
}

static bool lists_read(gp_plan *p, const json_t *j)
{
    const json_t *seeds = json_object_get(j, "seeds"), *sets = json_object_get(j, "datasets"), *entries = json_object_get(j, "entries");
    if (json_array_size(seeds) == 0 || json_array_size(seeds) > GP_MAX_SEEDS || json_array_size(sets) == 0 || json_array_size(entries) == 0)
        return false;
    for (; p->n_seeds < json_array_size(seeds); p->n_seeds++)
        p->seed[p->n_seeds] = (uint64_t)json_integer_value(json_array_get(seeds, p->n_seeds));
    p->dataset = calloc(json_array_size(sets), sizeof *p->dataset);
    p->entry = calloc(json_array_size(entries), sizeof *p->entry);
    if (!p->dataset || !p->entry) return false;
    for (; p->n_data < json_array_size(sets); p->n_data++) {
        const char *s = json_string_value(json_array_get(sets, p->n_data));
        if (!s || !(p->dataset[p->n_data] = plain_copy(s))) return false;
    }
    for (size_t e = 0; e < json_array_size(entries); e++) {
        p->n_entries++;
        if (!entry_read(&p->entry[e], json_array_get(entries, e))) return false;
    }
    return runs_read(p, json_object_get(j, "runs"));
}

gopro_status gp_plan_read(gp_plan **p, const char *out, const char *name, gopro_error *err)
{
    json_t *j = NULL;
    gp_plan *x = calloc(1, sizeof *x);
    char *path = gp_sprintf("%s/%s/plan.json", out, name);
    *p = x;
    gopro_status st = x && path ? GOPRO_OK : gp_fail_nomem(err, 0, "a plan");
    if (st == GOPRO_OK && !gp_path_exists(path)) st = gp_fail(err, GOPRO_E_INVALID, "'%s' is not there; no protocol was run to it", path);
    if (st == GOPRO_OK) st = gp_json_read(&j, path, err);
    if (st != GOPRO_OK) goto out;
    const char *protocol = json_string_value(json_object_get(j, "protocol")), *hash = json_string_value(json_object_get(j, "backbone"));
    bool ok =
        json_integer_value(json_object_get(j, "schema")) == GP_PLAN_SCHEMA && protocol && hash && gp_protocol_parse(&x->protocol, protocol);
    if (ok) {
        x->name = gp_strdup(name);
        x->out = gp_strdup(out);
        x->title = text_of(j, "title");
        x->axis = text_of(j, "axis");
        x->backbone_path = text_of(j, "backbone_path");
        x->embedded = json_is_true(json_object_get(j, "embedded_drawings"));
        const char *select = json_string_value(json_object_get(j, "select"));
        snprintf(x->backbone, sizeof x->backbone, "%s", hash);
        snprintf(x->select, sizeof x->select, "%s", select ? select : "last");
        ok = x->name && x->out && x->title && x->axis && x->backbone_path && lists_read(x, j);
    }
    if (!ok) st = gp_fail(err, GOPRO_E_FORMAT, "%s: not a plan of this version", path);
out:
    json_decref(j);
    free(path);
    if (st != GOPRO_OK) gp_plan_free(p);
    return st;
}
