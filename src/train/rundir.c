/* rundir.c - see rundir.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/rundir.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"

static const char *const subset_names[] = {"all", "base", "new"};

const char *gp_subset_name(gp_subset s)
{
    return subset_names[s];
}

bool gp_subset_parse(gp_subset *s, const char *name)
{
    for (size_t i = 0; i < GP_COUNT(subset_names); i++)
        if (strcmp(name, subset_names[i]) == 0) {
            *s = (gp_subset)i;
            return true;
        }
    return false;
}

void gp_class_hash(char hex[65], const char *const *class_name, size_t K)
{
    gp_class_names_hash(hex, class_name, K);
}

bool gp_option_matters(size_t i)
{
    static const char *const exempt[] = {"threads",   "loader.threads", "data.cache_mib",   "checkpoint.every", "test.cache_mib",
                                         "data.root", "data.draw",      "data.class_names", "data.any_path"};
    const char *name = gp_opts[i].name;
    if (strncmp(name, "pretrain.", 9) == 0) return false;
    for (size_t e = 0; e < GP_COUNT(exempt); e++)
        if (strcmp(name, exempt[e]) == 0) return false;
    return true;
}

char *gp_option_text(const gp_options *o, size_t i)
{
    const char *name = gp_opts[i].name;
    switch (gp_opts[i].type) {
    case GP_OPT_BOOL:
        return gp_strdup(gp_opt_bool(o, name) ? "1" : "0");
    case GP_OPT_INT:
        return gp_sprintf("%" PRId64, gp_opt_int(o, name));
    case GP_OPT_REAL:
        return gp_sprintf("%.12g", gp_opt_real(o, name));
    case GP_OPT_INT_LIST: {
        int64_t v[64];
        gp_str b = {0};
        size_t n = gp_opt_int_list(o, name, v, GP_COUNT(v));
        for (size_t k = 0; k < gp_min_size(n, GP_COUNT(v)); k++) gp_str_addf(&b, "%s%" PRId64, k ? "," : "", v[k]);
        return b.s ? b.s : gp_strdup("");
    }
    default:
        return gp_strdup(gp_opt_string(o, name));
    }
}

static json_t *identity_json(const gp_run_identity *id)
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

/* An option that a folder does not name came after it: it had its default there. */
static bool same_value(const json_t *have, const char *key, const json_t *want)
{
    const json_t *h = json_object_get(have, key);
    return h ? json_equal(h, want) : is_default(key, want);
}

static bool same_identity(const json_t *have, const json_t *want)
{
    const char *key;
    json_t *v;
    bool same = json_is_object(have);
    json_object_foreach((json_t *)(uintptr_t)want, key, v) same = same && same_value(have, key, v);
    json_object_foreach((json_t *)(uintptr_t)have, key, v) same = same && json_object_get(want, key);
    return same;
}

/* Of the identity without options at their defaults: the same for a later version with more options. */
static gopro_status hash_identity(char hex[65], const json_t *identity, gopro_error *err)
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

/* The first thing in which a folder's identity differs from ours. */
static gopro_status other_run(const char *path, const json_t *have, const json_t *want, gopro_error *err)
{
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)want, key, v)
    {
        const char *h = json_string_value(json_object_get(have, key));
        if (same_value(have, key, v)) continue;
        return gp_fail(err, GOPRO_E_INVALID,
                       "run folder '%s' holds a run of another configuration (%s is '%.40s' there, '%.40s' here); give another folder, or "
                       "remove it",
                       path, key, h ? h : "absent", json_string_value(v));
    }
    return gp_fail(err, GOPRO_E_INVALID, "run folder '%s' holds a run of another version; give another folder, or remove it", path);
}

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

static gopro_status record(gp_rundir *r, const gp_run_identity *id, json_t *identity, gopro_error *err)
{
    char *path = gp_rundir_file(r, "run.json"), *text = NULL;
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

/* An unknown folder must be empty but for our lock and the record of an attempt that got no further. */
static gopro_status check_empty(const char *path, gopro_error *err)
{
    char **names = NULL;
    size_t n = 0;
    GP_TRY(gp_list_dir(&names, &n, path, err));
    gopro_status st = GOPRO_OK;
    for (size_t i = 0; i < n && st == GOPRO_OK; i++)
        if (strcmp(names[i], ".lock") != 0 && strcmp(names[i], "failed.json") != 0 && !strstr(names[i], ".tmp."))
            st = gp_fail(err, GOPRO_E_INVALID, "'%s' is not empty and not a run folder (it holds '%s'); give another folder", path,
                         names[i]);
    gp_list_free(&names, n);
    return st;
}

static gopro_status find_state(gp_rundir *r, const gp_run_identity *id, json_t *identity, gopro_error *err)
{
    char *path = gp_rundir_file(r, "run.json"), *done = gp_rundir_file(r, "DONE");
    json_t *have = NULL;
    json_error_t je;
    gopro_status st = GOPRO_OK;
    r->state = GP_RUN_FRESH;
    if (!path || !done) {
        st = gp_fail_nomem(err, 0, "a run folder");
    } else if (!gp_path_exists(path)) {
        st = check_empty(r->path, err);
        if (st == GOPRO_OK) st = record(r, id, identity, err);
    } else if (!(have = json_load_file(path, 0, &je))) {
        st = gp_fail(err, GOPRO_E_FORMAT, "%s:%d: %s; remove the folder to start anew", path, je.line, je.text);
    } else if (!same_identity(json_object_get(have, "identity"), identity)) {
        st = other_run(r->path, json_object_get(have, "identity"), identity, err);
    } else {
        r->state = gp_path_exists(done) ? GP_RUN_DONE : GP_RUN_RESUME;
    }
    json_decref(have);
    free(path);
    free(done);
    return st;
}

gopro_status gp_rundir_open(gp_rundir *r, const char *path, const gp_run_identity *id, gopro_error *err)
{
    memset(r, 0, sizeof *r);
    r->lock = -1;
    gopro_status st;
    json_t *identity = identity_json(id);
    if (!identity || !(r->path = gp_strdup(path))) {
        st = gp_fail_nomem(err, 0, "a run folder");
        goto out;
    }
    GP_CHECK(hash_identity(r->identity, identity, err));
    GP_CHECK(gp_mkdirs(path, err));
    st = gp_lock_dir(&r->lock, path, err);
    r->in_use = st == GOPRO_E_INVALID;
    if (st != GOPRO_OK) goto out;
    GP_CHECK(find_state(r, id, identity, err));
out:
    json_decref(identity);
    if (st != GOPRO_OK) gp_rundir_close(r);
    return st;
}

gopro_status gp_rundir_check(const char *path, const gp_backbone *bb, const gp_options *settled, gopro_error *err)
{
    char *file = gp_path_join(path, "run.json");
    json_t *have = file ? json_load_file(file, 0, NULL) : NULL;
    const json_t *old = json_object_get(have, "identity");
    json_t *want = json_pack("{s:s}", "model", bb->weights->hash);
    for (size_t i = 0; want && i < gp_n_opts; i++) {
        char *v = gp_option_matters(i) ? gp_option_text(settled, i) : NULL;
        if (v) json_object_set_new(want, gp_opts[i].name, json_string(v));
        free(v);
    }
    gopro_status st = file && want ? GOPRO_OK : gp_fail_nomem(err, 0, "a run folder");
    const char *key;
    json_t *v;
    if (st == GOPRO_OK && old) /* what cannot be read is left to the run itself */
        json_object_foreach(want, key, v)
        {
            if (same_value(old, key, v)) continue;
            st = other_run(path, old, want, err);
            break;
        }
    json_decref(want);
    json_decref(have);
    free(file);
    return st;
}

void gp_rundir_close(gp_rundir *r)
{
    if (!r) return;
    if (r->lock >= 0) gp_unlock(&r->lock);
    r->lock = -1;
    free(r->path);
    r->path = NULL;
}

char *gp_rundir_file(const gp_rundir *r, const char *name)
{
    return gp_path_join(r->path, name);
}

gopro_status gp_rundir_finish(gp_rundir *r, gopro_error *err)
{
    char *done = gp_rundir_file(r, "DONE"), *check = gp_rundir_file(r, "checkpoint.safetensors");
    gopro_status st;
    if (!done || !check) {
        st = gp_fail_nomem(err, 0, "a run folder");
    } else {
        st = gp_write_file(done, "", 0, err);
        if (st == GOPRO_OK && unlink(check) != 0 && errno != ENOENT) st = gp_fail_errno(err, "remove", check);
        r->state = GP_RUN_DONE;
    }
    free(done);
    free(check);
    return st;
}
