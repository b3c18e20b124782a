/* cmd_tools.c - gopro step, tokenize, pretrain: thin calls of internal layers that have no public interface.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "cli.h"
#include "text/tokenizer.h"
#include "train/pretrain.h"
#include "train/step_case.h"

#define PUBLISHED_VOCAB 49408

static bool small_number(const char *text, size_t *v)
{
    char *end;
    unsigned long x = strtoul(text, &end, 10);
    *v = x;
    return *text >= '0' && *text <= '9' && *end == '\0' && x <= 1024;
}

int cmd_step(cli *c)
{
    gopro_error err = {0};
    gp_compute *compute = NULL;
    size_t threads = 0;
    const char *weights = cli_flag_value(c, "weights"), *file = cli_flag_value(c, "case"), *out = cli_flag_value(c, "out");
    const char *precision = cli_flag_value(c, "precision"), *t = cli_flag_value(c, "threads");
    if (c->n_arg > 0) return cli_usage(c, "unexpected argument '%s'", c->arg[0]);
    if (!weights || !file || !out) return cli_usage(c, "--%s is missing", !weights ? "weights" : !file ? "case" : "out");
    if (precision && strcmp(precision, "f32") != 0 && strcmp(precision, "bf16") != 0)
        return cli_usage(c, "--precision is 'f32' or 'bf16', not '%s'", precision);
    if (t && !small_number(t, &threads)) return cli_usage(c, "--threads '%s' is not a number from 0 to 1024", t);
    gopro_status st = gp_compute_create(&compute, threads, getenv("GOPRO_CPU"), &err);
    if (st == GOPRO_OK) st = gp_step_case(weights, file, out, compute, precision && *precision == 'b' ? GP_BF16 : GP_F32, &err);
    gp_compute_free(&compute);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}

/* The published merges file holds more merges than CLIP uses; a file of one's own is taken whole. */
static gopro_status load_vocab(gp_tokenizer **t, const char *path, gopro_error *err)
{
    if (!gp_path_is_dir(path) && gp_tokenizer_load(t, path, PUBLISHED_VOCAB, NULL) == GOPRO_OK) return GOPRO_OK;
    gopro_status st = gp_tokenizer_load(t, path, 0, err);
    return st == GOPRO_OK ? st : gp_fail_in(err, GOPRO_E_WEIGHTS, "vocabulary");
}

static gopro_status tokenize_line(const gp_tokenizer *t, const char *line, size_t number, gopro_error *err)
{
    json_error_t je;
    json_t *j = gp_json_load(line, strlen(line), GP_JSON_FEW, &je);
    const char *text = json_string_value(json_object_get(j, "text"));
    gopro_status st = GOPRO_OK;
    uint32_t *ids = NULL;
    json_t *a = NULL, *o = NULL;
    char *out = NULL;
    if (!j)
        st = gp_fail(err, GOPRO_E_DATA, "standard input:%zu:%d: %s", number, je.column, je.text);
    else if (!text)
        st = gp_fail(err, GOPRO_E_DATA, "standard input:%zu: no string 'text'", number);
    if (st != GOPRO_OK) goto out;
    size_t cap = 4 * strlen(text) + 16, n = 0;
    ids = malloc(cap * sizeof *ids);
    if (!ids) {
        st = gp_fail_nomem(err, cap * sizeof *ids, "token ids");
        goto out;
    }
    st = gp_tokenize(t, text, ids, cap, &n, err);
    if (st != GOPRO_OK) {
        st = gp_fail_in(err, st, "standard input:%zu", number);
        goto out;
    }
    a = json_array();
    for (size_t i = 0; i < n && i < cap; i++) json_array_append_new(a, json_integer(ids[i]));
    o = json_pack("{s:O}", "ids", a);
    out = o ? json_dumps(o, 0) : NULL;
    if (out)
        puts(out);
    else
        st = gp_fail_nomem(err, n, "token ids");
out:
    json_decref(j);
    json_decref(a);
    json_decref(o);
    free(out);
    free(ids);
    return st;
}

int cmd_tokenize(cli *c)
{
    gopro_error err = {0};
    gp_tokenizer *t = NULL;
    const char *vocab = cli_flag_value(c, "vocab");
    char *line = NULL;
    size_t cap = 0, number = 0;
    if (c->n_arg > 0) return cli_usage(c, "unexpected argument '%s'", c->arg[0]);
    if (!vocab) return cli_usage(c, "--vocab is missing");
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* an answer for each line, to a program that waits for it as well */
    gopro_status st = load_vocab(&t, vocab, &err);
    while (st == GOPRO_OK && !cli_interrupted() && getline(&line, &cap, stdin) >= 0) {
        number++;
        if (line[strspn(line, " \t\r\n")]) st = tokenize_line(t, line, number, &err);
    }
    /* Being interrupted is an error of the stream too. */
    if (st == GOPRO_OK && cli_interrupted()) st = gp_fail(&err, GOPRO_E_CANCELLED, "interrupted");
    if (st == GOPRO_OK && ferror(stdin)) st = gp_fail_errno(&err, "read", "standard input");
    free(line);
    gp_tokenizer_free(&t);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}

static void pretrain_log(void *user, gp_log_level level, const char *text)
{
    const cli *c = user;
    if (!c->quiet || level == GP_LOG_WARN) fprintf(stderr, "%s%s\n", level == GP_LOG_WARN ? "warning: " : "", text);
}

static bool pretrain_cancelled(void *user)
{
    (void)user;
    return cli_interrupted();
}

int cmd_pretrain(cli *c)
{
    gopro_error err = {0};
    gp_compute *compute = NULL;
    gp_options *o = gp_options_create();
    const char *pairs = cli_flag_value(c, "pairs"), *val = cli_flag_value(c, "val"), *out = cli_flag_value(c, "out");
    if (!pairs || !out || c->n_arg > 0) {
        gp_options_free(&o);
        return cli_usage(c, c->n_arg ? "unexpected argument" : pairs ? "--out is missing" : "--pairs is missing");
    }
    gopro_status st = o ? GOPRO_OK : gp_fail_nomem(&err, 0, "options");
    for (size_t i = 0; st == GOPRO_OK && i < gopro_option_count(); i++) {
        char *v = gopro_config_get(c->config, gopro_option_name(i));
        st = v ? gp_options_set(o, gopro_option_name(i), v, "argument", &err) : gp_fail_nomem(&err, 0, "options");
        free(v);
    }
    gp_log log = {.write = pretrain_log, .cancelled = pretrain_cancelled, .user = c};
    if (st == GOPRO_OK) st = gp_compute_create(&compute, (size_t)gp_opt_int(o, "threads"), getenv("GOPRO_CPU"), &err);
    if (st == GOPRO_OK) st = gp_pretrain(compute, o, pairs, val, out, &log, &err);
    gp_compute_free(&compute);
    gp_options_free(&o);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}
