/* tokenizer_files.c - the files a vocabulary comes in, and writing it in the usual pair of files.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "text/text_internal.h"
#include "text/tokenizer.h"

enum { MAX_FILE = 1 << 26 };

static const char *const offered[] = {"merges.txt", "tokenizer.json", "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"};

gopro_status gp_tokenizer_find(char **path, const char *folder, gopro_error *err)
{
    for (size_t i = 0; i < GP_COUNT(offered); i++) {
        *path = gp_path_join(folder, offered[i]);
        if (!*path) return gp_fail_nomem(err, strlen(folder), "a path");
        if (gp_path_exists(*path)) return GOPRO_OK;
        free(*path);
    }
    *path = NULL;
    return gp_fail(
        err, GOPRO_E_WEIGHTS,
        "'%s' holds no vocabulary: merges.txt, tokenizer.json or bpe_simple_vocab_16e6.txt.gz; put CLIP's there, or name it with "
        "model.tokenizer=PATH",
        folder);
}

/* "left right", or ["left", "right"] as newer files have it. */
static bool add_merge(gp_str *out, const json_t *m)
{
    const char *one = json_string_value(m), *left = json_string_value(json_array_get(m, 0)),
               *right = json_string_value(json_array_get(m, 1));
    if (one) {
        gp_str_add(out, one);
    } else {
        if (json_array_size(m) != 2 || !left || !right) return false;
        gp_str_addf(out, "%s %s", left, right);
    }
    gp_str_add(out, "\n");
    return true;
}

static gopro_status merges_of(gp_str *out, const json_t *root, const char *label, gopro_error *err)
{
    const json_t *model = json_object_get(root, "model"), *merges = json_object_get(model, "merges");
    const char *type = json_string_value(json_object_get(model, "type"));
    if (!json_is_object(model) || (type && strcmp(type, "BPE") != 0) || !json_is_array(merges))
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: no model of type BPE with merges; this is no tokenizer of CLIP", label);
    gp_str_add(out, "#version: 0.2\n");
    for (size_t i = 0; i < json_array_size(merges); i++)
        if (!add_merge(out, json_array_get(merges, i))) return gp_fail(err, GOPRO_E_WEIGHTS, "%s: merge %zu is not two symbols", label, i);
    return out->failed ? gp_fail_nomem(err, out->len, label) : GOPRO_OK;
}

gopro_status gp_tokenizer_from_json(gp_tokenizer **t, const char *text, size_t len, size_t vocab, const char *label, gopro_error *err)
{
    json_error_t je;
    gp_str merges = {0};
    *t = NULL;
    json_t *root = gp_json_load(text, len, GP_JSON_MANY, &je);
    gopro_status st = root ? merges_of(&merges, root, label, err)
                           : gp_fail(err, GOPRO_E_WEIGHTS, "%s: line %d, column %d: %s", label, je.line, je.column, je.text);
    if (st == GOPRO_OK) st = gp_tokenizer_from_merges(t, merges.s, merges.len, vocab, label, err);
    const json_t *table = json_object_get(json_object_get(root, "model"), "vocab");
    if (st == GOPRO_OK && table) st = gp_tokenizer_check_table(*t, table, label, err);
    if (st != GOPRO_OK) gp_tokenizer_free(t);
    json_decref(root);
    gp_str_free(&merges);
    return st;
}

gopro_status gp_tokenizer_save(const gp_tokenizer *t, const char *folder, gopro_error *err)
{
    return gp_bpe_write(gp_tokenizer_bpe(t), folder, err);
}
