/* run_record.c - see run_record.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/run_record.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "train/json_file.h"

/* ---- identity ---- */

json_t *gp_identity_json(const gp_run_identity *id)
{
    char classes[65];
    gp_class_hash(classes, id->labels->class_name, id->labels->K);
    json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s}", "model", id->bb->weights->hash, "dataset", id->data->name, "subset",
                          gp_subset_name(id->subset), "draw", id->draw ? id->draw->hash : "all", "classes", classes);
    for (size_t i = 0; j && i < gp_n_opts; i++) {
        if (!gp_option_matters(i)) continue;
        char *v = gp_option_text(id->opt, i);
        json_object_set_new(j, gp_opts[i].name, json_string(v ? v : ""));
        free(v);
    }
    return j;
}

/* Is this the default of option `key`?  False for what is no option. */
static bool is_default(const char *key, const json_t *value)
{
    gp_options *o = gp_options_create();
    bool same = false;
    for (size_t i = 0; o && i < gp_n_opts; i++) {
        if (strcmp(gp_opts[i].name, key) != 0) continue;
        char *v = gp_option_text(o, i);
        same = v && strcmp(v, json_string_value(value)) == 0;
        free(v);
    }
    gp_options_free(&o);
    return same;
}

bool gp_identity_same_value(const json_t *have, const char *key, const json_t *want)
{
    const json_t *h = json_object_get(have, key);
    return h ? json_equal(h, want) : is_default(key, want);
}

bool gp_identity_same(const json_t *have, const json_t *want)
{
    const char *key;
    json_t *v;
    bool same = json_is_object(have);
    json_object_foreach((json_t *)(uintptr_t)want, key, v) same = same && gp_identity_same_value(have, key, v);
    json_object_foreach((json_t *)(uintptr_t)have, key, v) same = same && json_object_get(want, key);
    return same;
}

gopro_status gp_identity_hash(char hex[65], const json_t *identity, gopro_error *err)
{
    json_t *j = json_object();
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)identity, key, v)
    {
        if (!is_default(key, v)) json_object_set(j, key, v);
    }
    char *text = j ? json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(j);
    if (!text) return gp_fail_nomem(err, 0, "a run folder");
    gp_sha256 c;
    gp_sha256_init(&c);
    gp_sha256_add(&c, text, strlen(text));
    gp_sha256_hex(&c, hex);
    free(text);
    return GOPRO_OK;
}

gopro_status gp_identity_differs(const char *path, const json_t *have, const json_t *want, gopro_error *err)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)want, key, v)
    {
        const char *h = json_string_value(json_object_get(have, key));
        if (gp_identity_same_value(have, key, v)) continue;
        return gp_fail(err, GOPRO_E_INVALID,
                       "run folder '%s' holds a run of another configuration (%s is '%.40s' there, '%.40s' here); give another folder, or "
                       "remove it",
                       path, key, h ? h : "absent", json_string_value(v));
    }
    return gp_fail(err, GOPRO_E_INVALID, "run folder '%s' holds a run of another version; give another folder, or remove it", path);
}

/* ---- writing ---- */

/* Where a file stands whatever the working folder will be; the path as given if it cannot be resolved. */
static json_t *absolute(const char *path)
{
    char *real = realpath(path, NULL);
    json_t *j = json_string(real ? real : path);
    free(real);
    return j;
}

/* What is not part of the identity, since that has what came of it, but is needed to read model and data again; NULL if nothing. */
static json_t *read_with(const gp_options *o)
{
    static const char *const file[] = {"data.class_names", "model.tokenizer"};
    json_t *j = json_object();
    for (size_t i = 0; i < GP_COUNT(file); i++)
        if (gp_opt_string(o, file[i])[0]) json_object_set_new(j, file[i], absolute(gp_opt_string(o, file[i])));
    if (gp_opt_bool(o, "data.any_path")) json_object_set_new(j, "data.any_path", json_string("1"));
    if (json_object_size(j) > 0) return j;
    json_decref(j);
    return NULL;
}

/* JSON is UTF-8, and a changed path would lead nowhere.  Takes j over. */
static gopro_status check_path(json_t *j, const char *path, const char *what, gopro_error *err)
{
    if (!j) return gp_fail(err, GOPRO_E_INVALID, "the path of the %s, '%s', is not UTF-8 and cannot be recorded; rename it", what, path);
    json_decref(j);
    return GOPRO_OK;
}

gopro_status gp_run_record_write(const char *run, const gp_run_identity *id, json_t *identity, gopro_error *err)
{
    GP_TRY(check_path(absolute(id->bb->path), id->bb->path, "model", err));
    GP_TRY(check_path(id->data->source ? json_string(id->data->source) : absolute(id->data_path), id->data_path, "data", err));
    char *path = gp_path_join(run, "run.json"), *text = NULL;
    json_t *j = json_pack("{s:i,s:s,s:o,s:o,s:O}", "schema", 1, "version", GOPRO_VERSION, "model_path", absolute(id->bb->path), "data_path",
                          id->data->source ? json_string(id->data->source) : absolute(id->data_path), "identity", identity);
    json_t *with = read_with(id->opt);
    gopro_status st;
    if (with) json_object_set_new(j, "read_with", with);
    if (!path || !j || !(text = json_dumps(j, JSON_INDENT(2)))) {
        st = gp_fail_nomem(err, 0, "run.json");
        goto out;
    }
    st = gp_write_file(path, text, strlen(text), err);
out:
    json_decref(j);
    free(text);
    free(path);
    return st;
}

/* ---- reading ---- */

static gopro_status read_record(json_t **j, const char *run, gopro_error *err)
{
    char *path = gp_path_join(run, "run.json");
    *j = NULL;
    if (!path) return gp_fail_nomem(err, 0, "a path");
    gopro_status st = GOPRO_OK;
    if (!gp_path_exists(path))
        st = gp_fail(err, GOPRO_E_WEIGHTS, "'%s' is not a run folder: it holds no run.json", run);
    else if (gp_json_read(j, path, err) != GOPRO_OK)
        st = gp_fail_in(err, GOPRO_E_WEIGHTS, "run folder");
    free(path);
    return st;
}

gopro_status gp_run_record_paths(char **model, char **data, const char *run, gopro_error *err)
{
    json_t *j;
    *model = *data = NULL;
    GP_TRY(read_record(&j, run, err));
    const char *m = json_string_value(json_object_get(j, "model_path")), *d = json_string_value(json_object_get(j, "data_path"));
    if (m) *model = gp_strdup(m);
    if (d) *data = gp_strdup(d);
    json_decref(j);
    return GOPRO_OK;
}

static gopro_status take_over(gp_options *o, const json_t *from, const char *const *name, size_t n, gopro_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const char *value = json_string_value(json_object_get(from, name[i]));
        if (value) GP_TRY(gp_options_set_default(o, name[i], value, err));
    }
    return GOPRO_OK;
}

static bool same_place(const char *path, const char *recorded)
{
    char *real = realpath(path, NULL);
    const bool same = recorded && strcmp(real ? real : path, recorded) == 0;
    free(real);
    return same;
}

gopro_status gp_run_record_options(gp_options *o, const char *run, const char *data, gopro_error *err)
{
    static const char *const model[] = {"precision", "model.activation", "model.v_heads", "model.t_heads", "data.scaled_decode"};
    static const char *const model_file[] = {"model.tokenizer"};
    static const char *const own[] = {"data.split_seed", "data.skip_bad"}, *const own_file[] = {"data.class_names"};
    json_t *j;
    GP_TRY(read_record(&j, run, err));
    const json_t *identity = json_object_get(j, "identity"), *with = json_object_get(j, "read_with");
    const bool its_own = !data || same_place(data, json_string_value(json_object_get(j, "data_path")));
    gopro_status st = take_over(o, identity, model, GP_COUNT(model), err);
    if (st == GOPRO_OK) st = take_over(o, with, model_file, GP_COUNT(model_file), err);
    if (st == GOPRO_OK && its_own) st = take_over(o, identity, own, GP_COUNT(own), err);
    if (st == GOPRO_OK && its_own) st = take_over(o, with, own_file, GP_COUNT(own_file), err);
    json_decref(j);
    return st == GOPRO_OK ? st : gp_fail_in(err, GOPRO_E_WEIGHTS, "%s/run.json", run);
}
