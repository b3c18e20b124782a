/* rundir.c - see rundir.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/rundir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "train/json_file.h"
#include "train/run_record.h"

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
    case GP_OPT_REAL: {
        char number[32];
        gp_real_text(number, gp_opt_real(o, name), 12);
        return gp_strdup(number);
    }
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
    gopro_status st = GOPRO_OK;
    r->state = GP_RUN_FRESH;
    if (!path || !done) {
        st = gp_fail_nomem(err, 0, "a run folder");
    } else if (!gp_path_exists(path)) {
        st = check_empty(r->path, err);
        if (st == GOPRO_OK) st = gp_run_record_write(r->path, id, identity, err);
    } else if ((st = gp_json_read(&have, path, err)) != GOPRO_OK) {
        st = gp_fail_in(err, st, "run folder '%s', which can be removed to start anew", r->path);
    } else if (!gp_identity_same(json_object_get(have, "identity"), identity)) {
        st = gp_identity_differs(r->path, json_object_get(have, "identity"), identity, err);
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
    json_t *identity = gp_identity_json(id);
    if (!identity || !(r->path = gp_strdup(path))) {
        st = gp_fail_nomem(err, 0, "a run folder");
        goto out;
    }
    GP_CHECK(gp_identity_hash(r->identity, identity, err));
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
    json_t *have = NULL;
    if (file) gp_json_read(&have, file, NULL); /* what cannot be read is left to the run itself */
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
    if (st == GOPRO_OK && old) json_object_foreach(want, key, v)
        {
            if (gp_identity_same_value(old, key, v)) continue;
            st = gp_identity_differs(path, old, want, err);
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
