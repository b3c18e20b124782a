/* cmd_data.c - gopro data check, gopro data draw: straight from the data layer, which has no public interface.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "cli.h"
#include "data/dataset.h"
#include "image/image.h"
#include "train/rundir.h"

static void to_stderr(void *user, gp_log_level level, const char *text)
{
    const cli *c = user;
    if (!c->quiet || level == GP_LOG_WARN) fprintf(stderr, "%s%s\n", level == GP_LOG_WARN ? "warning: " : "", text);
}

static size_t decode_split(const gp_dataset *d, const gp_split *s, gopro_error *first)
{
    size_t bad = 0;
    for (size_t i = 0; i < s->n && !cli_interrupted(); i++) {
        gp_image im = {0};
        gopro_error e = {0};
        char *path = gp_path_join(d->root, s->item[i].path);
        if (path && gp_image_read(&im, path, &e) != GOPRO_OK) {
            fprintf(stderr, "gopro: %s\n", e.msg);
            if (bad++ == 0) *first = e;
        }
        gp_image_free(&im);
        free(path);
    }
    return bad;
}

static void count_classes(size_t *n, const gp_split *s)
{
    for (size_t i = 0; i < s->n; i++) n[s->item[i].label]++;
}

static int check(cli *c, const gp_dataset *d)
{
    size_t K = d->n_classes, *n = calloc(3 * K, sizeof *n), bad = 0;
    gopro_error first = {0};
    char classes[65];
    if (!n) return 1;
    count_classes(n, &d->train);
    count_classes(n + K, &d->val);
    count_classes(n + 2 * K, &d->test);
    gp_class_hash(classes, (const char *const *)d->class_name, K);
    if (cli_flag_value(c, "decode"))
        bad = decode_split(d, &d->train, &first) + decode_split(d, &d->val, &first) + decode_split(d, &d->test, &first);
    if (c->json) {
        json_t *j = json_pack("{s:s,s:I,s:I,s:I,s:I,s:s,s:s,s:I}", "name", d->name, "classes", (json_int_t)K, "train",
                              (json_int_t)d->train.n, "val", (json_int_t)d->val.n, "test", (json_int_t)d->test.n, "template",
                              d->template_text, "class_hash", classes, "unreadable", (json_int_t)bad);
        char *text = json_dumps(j, JSON_INDENT(2));
        if (text) puts(text);
        free(text);
        json_decref(j);
    } else {
        printf("%s: %zu classes, %zu train, %zu val, %zu test images; template '%s'; class names %.16s\n", d->name, K, d->train.n, d->val.n,
               d->test.n, d->template_text, classes);
        printf("%6s %6s %6s  class\n", "train", "val", "test");
        for (size_t k = 0; k < K; k++) printf("%6zu %6zu %6zu  %s\n", n[k], n[K + k], n[2 * K + k], d->class_name[k]);
    }
    free(n);
    if (cli_interrupted()) return 130;
    if (bad) fprintf(stderr, "gopro: %zu images cannot be read\n", bad);
    return bad ? gopro_exit_status(GOPRO_E_DATA) : 0;
}

static int draw(cli *c, const gp_dataset *d, size_t shots, uint64_t seed, const gp_log *log)
{
    gopro_error err = {0};
    gp_draw dr = {0};
    gopro_status st = gp_draw_make(&dr, d, shots, seed, log, &err);
    if (st != GOPRO_OK) return cli_fail(c, st, &err);
    json_t *train = json_array(), *val = json_array();
    for (size_t i = 0; i < dr.n_train; i++) {
        const gp_item *it = &d->train.item[dr.train[i]];
        json_array_append_new(train, json_pack("[s,i,s]", it->path, (int)it->label, d->class_name[it->label]));
    }
    for (size_t i = 0; i < dr.n_val; i++) {
        const gp_item *it = &d->val.item[dr.val[i]];
        json_array_append_new(val, json_pack("[s,i,s]", it->path, (int)it->label, d->class_name[it->label]));
    }
    json_t *j = json_pack("{s:s,s:I,s:I,s:s,s:o,s:o}", "dataset", d->name, "shots", (json_int_t)shots, "seed", (json_int_t)seed, "hash",
                          dr.hash, "train", train, "val", val);
    char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(j);
    gp_draw_free(&dr);
    return 0;
}

static bool number(const char *text, uint64_t *v, uint64_t least)
{
    char *end;
    unsigned long long x = strtoull(text, &end, 10);
    *v = x;
    return *text >= '0' && *text <= '9' && *end == '\0' && x >= least;
}

int cmd_data(cli *c)
{
    gopro_error err = {0};
    gp_dataset *d = NULL;
    uint64_t shots = 16, seed = 1, split_seed = 1;
    const char *s = cli_flag_value(c, "shots"), *v = cli_flag_value(c, "seed");
    if (c->n_arg != 2 || (strcmp(c->arg[0], "check") != 0 && strcmp(c->arg[0], "draw") != 0))
        return cli_usage(c, "'check' or 'draw' and a dataset folder are needed");
    if (s && !number(s, &shots, 1)) return cli_usage(c, "--shots '%s' is not a positive number", s);
    if (v && !number(v, &seed, 0)) return cli_usage(c, "--seed '%s' is not a number", v);
    char *skip = gopro_config_get(c->config, "data.skip_bad"), *split = gopro_config_get(c->config, "data.split_seed");
    if (split) number(split, &split_seed, 0);
    gp_data_rules rules = {.skip_bad_images = skip && strcmp(skip, "1") == 0, .split_seed = split_seed};
    gp_log log = {.write = to_stderr, .user = c};
    gopro_status st = gp_dataset_open(&d, c->arg[1], &rules, &log, &err);
    free(skip);
    free(split);
    if (st != GOPRO_OK) return cli_fail(c, st, &err);
    int status = strcmp(c->arg[0], "check") == 0 ? check(c, d) : draw(c, d, (size_t)shots, seed, &log);
    gp_dataset_free(&d);
    return status;
}
