/* cmd_data.c - gopro data list, check and draw: straight from the data layer, which has no public interface.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "cli.h"
#include "data/check.h"
#include "data/dataset.h"
#include "data/known.h"

#define DEFAULT_SAMPLE 64
#define DEFAULT_LIMIT  20

static void to_stderr(void *user, gp_log_level level, const char *text)
{
    const cli *c = user;
    if (!c->quiet || level == GP_LOG_WARN) fprintf(stderr, "%s%s\n", level == GP_LOG_WARN ? "warning: " : "", text);
}

static bool number(const char *text, uint64_t *v, uint64_t least)
{
    char *end;
    errno = 0;
    unsigned long long x = strtoull(text, &end, 10);
    *v = x;
    return *text >= '0' && *text <= '9' && *end == '\0' && x >= least && errno == 0;
}

static void print_json(json_t *j)
{
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(j);
}

/* The data rules of the configuration; strings malloc'ed, freed by free_rules. */
static gp_data_rules make_rules(const cli *c)
{
    uint64_t split_seed = 1;
    char *skip = gopro_config_get(c->config, "data.skip_bad"), *split = gopro_config_get(c->config, "data.split_seed");
    char *root = gopro_config_get(c->config, "data.root"), *names = gopro_config_get(c->config, "data.class_names");
    char *any = gopro_config_get(c->config, "data.any_path");
    if (split) number(split, &split_seed, 0);
    gp_data_rules r = {
        .skip_bad_images = skip && strcmp(skip, "1") == 0, .split_seed = split_seed, .any_path = any && strcmp(any, "1") == 0};
    if (root && root[0]) r.root = gp_strdup(root);
    if (names && names[0]) r.class_names = gp_strdup(names);
    free(skip);
    free(split);
    free(root);
    free(names);
    free(any);
    return r;
}

static void free_rules(gp_data_rules *r)
{
    free((char *)(uintptr_t)r->root);
    free((char *)(uintptr_t)r->class_names);
}

/* ---- list ---- */

/* What there is of a dataset under the root. */
static const char *state_of(const gp_known *k, const char *root)
{
    char *folder = root ? gp_path_join(root, k->folder) : NULL;
    char *images = !folder ? NULL : k->sign ? gp_path_join(folder, k->sign) : gp_known_images(k, folder);
    char *list = folder ? gp_path_join(folder, k->split                       ? k->split
                                               : k->layout == GP_LAYOUT_LISTS ? "variants.txt"
                                                                              : "classnames.txt")
                        : NULL;
    const char *s = "-";
    if (list && gp_path_is_dir(folder)) {
        const bool has_list = gp_path_exists(list), has_images = images && gp_path_is_dir(images);
        s = has_list && has_images ? "there" : has_list ? "no images" : has_images ? (k->split ? "no split file" : "no lists") : "empty";
    }
    free(folder);
    free(images);
    free(list);
    return s;
}

static bool is_known_folder(const char *name)
{
    for (size_t i = 0; i < gp_n_known; i++)
        if (strcmp(name, gp_known_datasets[i].folder) == 0) return true;
    return false;
}

/* Other folders of the root, which may be data of one's own. */
static json_t *other_folders(const char *root)
{
    json_t *a = json_array();
    char **names = NULL;
    size_t n = 0;
    gopro_error e;
    if (root && gp_list_dir(&names, &n, root, &e) == GOPRO_OK)
        for (size_t i = 0; i < n; i++) {
            char *path = gp_path_join(root, names[i]);
            if (path && names[i][0] != '.' && gp_path_is_dir(path) && !is_known_folder(names[i]))
                json_array_append_new(a, json_string((gp_plain_text(names[i]), names[i])));
            free(path);
        }
    gp_list_free(&names, n);
    return a;
}

static int list(const cli *c, const char *root)
{
    json_t *all = json_array(), *others = other_folders(root), *v;
    size_t i;
    if (root && !gp_path_is_dir(root)) {
        fprintf(stderr, "gopro: the root '%s' is no folder; give --root the folder that holds the datasets\n", root);
        json_decref(all);
        json_decref(others);
        return gopro_exit_status(GOPRO_E_DATA);
    }
    if (!c->json)
        printf("%-16s %-20s %7s %9s %6s %6s  %-13s %s\n", "name", "folder", "classes", "train", "val", "test", root ? "under root" : "",
               "template");
    for (i = 0; i < gp_n_known; i++) {
        const gp_known *k = &gp_known_datasets[i];
        if (c->json)
            json_array_append_new(all, json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:s?,s:s}", "name", k->name, "title", k->title, "folder",
                                                 k->folder, "classes", (json_int_t)k->classes, "train", (json_int_t)k->n[0], "val",
                                                 (json_int_t)k->n[1], "test", (json_int_t)k->n[2], "template", k->template_text,
                                                 "split_file", k->split, "state", state_of(k, root)));
        else
            printf("%-16s %-20s %7zu %9zu %6zu %6zu  %-13s %s\n", k->name, k->folder, k->classes, k->n[0], k->n[1], k->n[2],
                   root ? state_of(k, root) : "", k->template_text);
    }
    if (c->json) {
        print_json(json_pack("{s:s?,s:o,s:o}", "root", root, "datasets", all, "other_folders", others));
        return 0;
    }
    json_array_foreach(others, i, v) printf("%s%s", i == 0 ? "other folders: " : ", ", json_string_value(v));
    if (json_array_size(others)) puts("");
    if (!root) puts("--root FOLDER (or $GOPRO_ROOT) shows which of them are there");
    json_decref(all);
    json_decref(others);
    return 0;
}

/* ---- check ---- */

typedef struct listener {
    cli *c;
    json_t *findings;
} listener;

static void hear(void *user, gp_finding_kind kind, const char *text)
{
    static const char *const word[] = {"ok", "note", "fault", "file"}, *const shown[] = {"ok    ", "note  ", "FAULT ", "      "};
    listener *l = user;
    if (l->c->json)
        json_array_append_new(l->findings, json_pack("{s:s,s:s}", "kind", word[kind], "text", text));
    else
        printf("%s%s\n", shown[kind], text);
}

static bool interrupted(void *user)
{
    (void)user;
    return cli_interrupted();
}

static void count_classes(size_t *n, const gp_split *s)
{
    for (size_t i = 0; i < s->n; i++) n[s->item[i].label]++;
}

static void print_classes(const gp_dataset *d)
{
    const size_t K = d->n_classes;
    size_t *n = calloc(3 * K, sizeof *n);
    if (!n) return;
    count_classes(n, &d->train);
    count_classes(n + K, &d->val);
    count_classes(n + 2 * K, &d->test);
    printf("%6s %6s %6s  class\n", "train", "val", "test");
    for (size_t k = 0; k < K; k++) printf("%6zu %6zu %6zu  %s\n", n[k], n[K + k], n[2 * K + k], d->class_name[k]);
    free(n);
}

static json_t *check_json(const gp_dataset *d, const gp_check_result *r, json_t *findings)
{
    char root[4096];
    snprintf(root, sizeof root, "%s", d->root);
    gp_plain_text(root); /* JSON holds nothing but UTF-8 */
    return json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:o}", "name", d->name, "root", root, "classes",
                     (json_int_t)d->n_classes, "train", (json_int_t)d->train.n, "val", (json_int_t)d->val.n, "test", (json_int_t)d->test.n,
                     "template", d->template_text, "class_hash", r->class_hash, "split_hash", r->split_hash, "missing",
                     (json_int_t)r->missing, "unreadable", (json_int_t)r->unreadable, "decoded", (json_int_t)r->decoded, "faults",
                     (json_int_t)r->faults, "findings", findings);
}

static int check(cli *c, const gp_dataset *d, const gp_check_request *q)
{
    gopro_error err = {0};
    gp_check_result r;
    listener l = {.c = c, .findings = json_array()};
    const gp_check_sink sink = {.tell = hear, .cancelled = interrupted, .user = &l};
    if (!c->json) {
        printf("%s: %zu classes, %zu train, %zu val, %zu test images; template '%s'\n", d->name, d->n_classes, d->train.n, d->val.n,
               d->test.n, d->template_text);
        if (!d->known || cli_flag_value(c, "per-class")) print_classes(d);
    }
    gopro_status st = gp_data_check(&r, d, q, &sink, &err);
    if (st == GOPRO_OK && c->json)
        print_json(check_json(d, &r, l.findings));
    else
        json_decref(l.findings);
    if (st != GOPRO_OK) return cli_fail(c, st, &err);
    fflush(stdout);
    if (r.faults) fprintf(stderr, "gopro: %s has %zu fault%s\n", d->name, r.faults, r.faults > 1 ? "s" : "");
    return r.faults ? gopro_exit_status(GOPRO_E_DATA) : 0;
}

/* ---- draw ---- */

/* Where the user's own link leads, if it is one. */
static gopro_status export(const char *to, const char *text, gopro_error *err)
{
    char *target = realpath(to, NULL);
    gopro_status st = gp_write_file(target ? target : to, text, strlen(text), err);
    free(target);
    return st;
}

static int draw(cli *c, const gp_dataset *d, size_t shots, uint64_t seed, const gp_log *log)
{
    gopro_error err = {0};
    gp_draw dr = {0};
    char *own = cli_flag_value(c, "import") ? NULL : gopro_config_get(c->config, "data.draw");
    const char *from = own && own[0] ? own : cli_flag_value(c, "import"), *to = cli_flag_value(c, "export");
    gopro_status st = from ? gp_draw_import(&dr, d, from, log, &err) : gp_draw_make(&dr, d, shots, seed, log, &err);
    if (st != GOPRO_OK) {
        free(own);
        return cli_fail(c, st, &err);
    }
    char *text = gp_draw_json(&dr, d, shots, seed, from, false);
    if (!text)
        st = gp_fail(&err, GOPRO_E_DATA,
                     "the draw of '%s' cannot be written as JSON; is the name of an archive or of the draw's file UTF-8?", d->name);
    else if (to)
        st = export(to, text, &err);
    if (st == GOPRO_OK && to)
        printf("%s: %zu train and %zu val images drawn, fingerprints %.16s and %.16s, written to %s\n", d->name, dr.n_train, dr.n_val,
               dr.hash, dr.val_hash, to);
    else if (st == GOPRO_OK)
        puts(text);
    free(text);
    free(own);
    gp_draw_free(&dr);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}

static int one_dataset(cli *c, const char *path, bool checks, const gp_check_request *q, size_t shots, uint64_t seed)
{
    gopro_error err = {0};
    gp_dataset *d = NULL;
    gp_log log = {.write = to_stderr, .user = c};
    gp_data_rules rules = make_rules(c);
    gopro_status st = gp_dataset_open(&d, path, &rules, &log, &err);
    gp_check_request request = *q;
    request.skip_bad = rules.skip_bad_images;
    int status = st != GOPRO_OK ? cli_fail(c, st, &err) : checks ? check(c, d, &request) : draw(c, d, shots, seed, &log);
    gp_dataset_free(&d);
    free_rules(&rules);
    return status;
}

int cmd_data(cli *c)
{
    uint64_t shots = 16, seed = 1, limit = DEFAULT_LIMIT, sample = DEFAULT_SAMPLE;
    const char *s = cli_flag_value(c, "shots"), *v = cli_flag_value(c, "seed"), *l = cli_flag_value(c, "limit"),
               *m = cli_flag_value(c, "sample"), *what = c->n_arg ? c->arg[0] : "";
    const bool lists = strcmp(what, "list") == 0, checks = strcmp(what, "check") == 0, draws = strcmp(what, "draw") == 0;
    if (!lists && !checks && !draws) return cli_usage(c, "'list', 'check' or 'draw' is needed");
    if (s && !number(s, &shots, 1)) return cli_usage(c, "--shots '%s' is not a positive number", s);
    if (v && (!number(v, &seed, 0) || seed > INT64_MAX)) return cli_usage(c, "--seed '%s' is not a number", v);
    if (l && !number(l, &limit, 0)) return cli_usage(c, "--limit '%s' is not a number", l);
    if (m && !number(m, &sample, 0)) return cli_usage(c, "--sample '%s' is not a number", m);
    /* As for training: a flag of this command, else the option. */
    char *own_shots = s ? NULL : gopro_config_get(c->config, "shots"), *own_seed = v ? NULL : gopro_config_get(c->config, "seed");
    if (own_shots) number(own_shots, &shots, 1);
    if (own_seed) number(own_seed, &seed, 0);
    free(own_shots);
    free(own_seed);
    if (lists) {
        if (c->n_arg > 2) return cli_usage(c, "'list' takes one root folder at most");
        gp_data_rules rules = make_rules(c);
        int status = list(c, c->n_arg == 2 ? c->arg[1] : rules.root);
        free_rules(&rules);
        return status;
    }
    const char *path = cli_flag_value(c, "data");
    if (c->n_arg + (path ? 1 : 0) < 2)
        return cli_usage(c, "a dataset is needed: a folder, a list, or a name of 'gopro data list' with --root");
    if (draws && c->n_arg + (path ? 1 : 0) > 2) return cli_usage(c, "'draw' takes one dataset");
    if (c->json && c->n_arg + (path ? 1 : 0) > 2) return cli_usage(c, "--json takes one dataset");
    const gp_check_request q = {.name_limit = (size_t)limit, .sample = cli_flag_value(c, "decode") ? SIZE_MAX : (size_t)sample};
    int status = path ? one_dataset(c, path, checks, &q, (size_t)shots, seed) : 0;
    for (size_t i = 1; i < c->n_arg && status != 130; i++) {
        const int one = one_dataset(c, c->arg[i], checks, &q, (size_t)shots, seed);
        if (one) status = one;
    }
    return status;
}
