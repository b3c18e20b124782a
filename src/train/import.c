/* import.c - see import.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

/* The vocabulary's place: named, or the folder itself, or the folder a weights file lies in. */
static char *tokenizer_path(const char *path, const gp_options *o)
{
    const char *named = gp_opt_string(o, "model.tokenizer"), *slash = strrchr(path, '/');
    if (*named) return gp_strdup(named);
    if (gp_path_is_dir(path)) return gp_strdup(path);
    return slash ? gp_sprintf("%.*s", (int)(slash - path + (slash == path)), path) : gp_strdup(".");
}

static gopro_status check_tokenizer(const gp_tokenizer *t, const gp_clip_arch *a, const char *path, gopro_error *err)
{
    if (gp_tokenizer_vocab(t) != a->vocab)
        return gp_fail(err, GOPRO_E_WEIGHTS,
                       "%s: the vocabulary has %zu tokens, the weights embed %zu; take the tokenizer files that belong to the weights",
                       path, gp_tokenizer_vocab(t), a->vocab);
    if (gp_tokenizer_sot(t) != a->sot || gp_tokenizer_eot(t) != a->eot)
        return gp_fail(err, GOPRO_E_WEIGHTS,
                       "%s: start and end token are %u and %u in the vocabulary but %u and %u in the weights' configuration", path,
                       gp_tokenizer_sot(t), gp_tokenizer_eot(t), a->sot, a->eot);
    return GOPRO_OK;
}

gopro_status gp_import_load(gp_clip_weights **w, gp_tokenizer **t, const char *path, const gp_options *o, gopro_error *err)
{
    gp_clip_choice choice = {.activation = gp_opt_string(o, "model.activation"),
                             .v_heads = (size_t)gp_opt_int(o, "model.v_heads"),
                             .t_heads = (size_t)gp_opt_int(o, "model.t_heads")};
    gopro_status st;
    *w = NULL;
    *t = NULL;
    char *tok = tokenizer_path(path, o);
    if (!tok) return gp_fail_nomem(err, strlen(path), "a path");
    if (gp_path_exists(path))
        st = gp_clip_load_as(w, path, &choice, err);
    else
        st = gp_fail(err, GOPRO_E_WEIGHTS, "no model at '%s'; name a folder or file in one of the formats of docs/CHECKPOINTS.md", path);
    if (st == GOPRO_OK) {
        st = gp_tokenizer_load(t, tok, (*w)->arch.vocab, err);
        if (st != GOPRO_OK) st = gp_fail_in(err, GOPRO_E_WEIGHTS, "tokenizer of '%s'", path);
    }
    if (st == GOPRO_OK) st = check_tokenizer(*t, &(*w)->arch, path, err);
    free(tok);
    if (st == GOPRO_OK) return st;
    gp_tokenizer_free(t);
    gp_clip_free(w);
    return st;
}

/* ---- writing ---- */

static const char *const written[] = {"model.safetensors", "config.json", "preprocessor_config.json", "merges.txt", "vocab.json"};

static void remove_folder(const char *folder)
{
    for (size_t i = 0; i < GP_COUNT(written); i++) {
        char *p = gp_path_join(folder, written[i]);
        if (p) unlink(p);
        free(p);
    }
    rmdir(folder);
}

/* A new one: what has the name already is a left-over, or a link that somebody put there to have other files overwritten. */
static gopro_status make_folder(const char *folder, gopro_error *err)
{
    const char *slash = strrchr(folder, '/');
    char *up = slash && slash > folder ? gp_sprintf("%.*s", (int)(slash - folder), folder) : NULL;
    if (slash > folder && !up) return gp_fail_nomem(err, strlen(folder), "a path");
    gopro_status st = up ? gp_mkdirs(up, err) : GOPRO_OK;
    free(up);
    if (st != GOPRO_OK) return st;
    if (unlink(folder) != 0 && (errno == EISDIR || errno == EPERM)) remove_folder(folder);
    return mkdir(folder, 0777) == 0 ? GOPRO_OK : gp_fail_errno(err, "could not create", folder);
}

static gopro_status check_free(const char *out, gopro_error *err)
{
    char **names;
    size_t n;
    if (!gp_path_exists(out)) return GOPRO_OK;
    if (!gp_path_is_dir(out)) return gp_fail(err, GOPRO_E_INVALID, "'%s' is there and is no folder; name a new one", out);
    GP_TRY(gp_list_dir(&names, &n, out, err));
    gp_list_free(&names, n);
    return n ? gp_fail(err, GOPRO_E_INVALID, "'%s' is there and not empty; name a new folder, or remove it first", out) : GOPRO_OK;
}

gopro_status gp_import_write(gp_clip_weights *w, const gp_tokenizer *t, const char *out, int dtype, char hash[65], const gp_log *log,
                             gopro_error *err)
{
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/') n--;
    GP_TRY(check_free(out, err));
    if (w->found.recorded[0]) GP_TRY(gp_clip_verify(w, err)); /* loading took the record's word; a new record must not repeat it */
    GP_TRY(gp_clip_intact(w, err));
    char *final = gp_sprintf("%.*s", (int)n, out), *tmp = gp_sprintf("%.*s.tmp.%ld", (int)n, out, (long)getpid());
    gopro_status st = final && tmp ? make_folder(tmp, err) : gp_fail_nomem(err, n, "a path");
    if (st == GOPRO_OK) {
        st = gp_clip_export(w, tmp, dtype, hash, log, err);
        /* A source cut off meanwhile looks like an output that cannot be written. */
        if (gp_clip_check(w, err) != GOPRO_OK) st = GOPRO_E_WEIGHTS;
        if (st == GOPRO_OK) st = gp_tokenizer_save(t, tmp, err);
        if (st == GOPRO_OK && gp_cancelled(log)) st = gp_fail(err, GOPRO_E_CANCELLED, "interrupted; nothing was written");
        if (st == GOPRO_OK && rename(tmp, final) != 0) st = gp_fail_errno(err, "could not create", final);
        if (st != GOPRO_OK) remove_folder(tmp);
    }
    free(final);
    free(tmp);
    return st;
}
