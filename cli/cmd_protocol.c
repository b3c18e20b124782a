/* cmd_protocol.c - gopro protocol, ablate, report: through the public interface.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define MAX_SEEDS 64
#define MAX_JOBS  256

static bool parse_seeds(uint64_t *seed, size_t *n, const char *text)
{
    *n = 0;
    while (*text) {
        char *end;
        errno = 0;
        unsigned long long a = strtoull(text, &end, 10), b = a;
        if (end == text || *text == '-' || errno) return false;
        if (*end == '-') {
            text = end + 1;
            b = strtoull(text, &end, 10);
            if (end == text || errno || b < a) return false;
        }
        for (; a <= b; a++) {
            if (*n == MAX_SEEDS) return false;
            seed[(*n)++] = a;
        }
        if (*end != ',' && *end != '\0') return false;
        text = end + (*end == ',');
    }
    return *n > 0;
}

/* A whole number of at least 1; false if it is none. */
static bool parse_count(size_t *n, const char *text, size_t most)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (end == text || *end || *text == '-' || errno || v < 1 || v > most) return false;
    *n = (size_t)v;
    return true;
}

static bool parse_style(gopro_table *style, const cli *c)
{
    static const char *const name[] = {"text", "md", "tex", "csv"};
    const char *format = cli_flag_value(c, "format");
    *style = c->json ? GOPRO_TABLE_JSON : GOPRO_TABLE_TEXT;
    for (size_t i = 0; format && i < 4; i++)
        if (strcmp(format, name[i]) == 0) {
            *style = (gopro_table)i;
            return true;
        }
    return !format;
}

/* What the arguments ask for; owns its lists. */
typedef struct study {
    gopro_plan_request q;
    uint64_t seed[MAX_SEEDS];
    cli_list methods, targets;
    const char **data; /* source and targets */
    gopro_table style;
    size_t jobs, memory; /* memory 0: what the machine has */
} study;

static void study_free(study *s)
{
    cli_list_free(&s->methods);
    cli_list_free(&s->targets);
    free(s->data);
}

static bool protocol_by_name(gopro_protocol *p, const char *name)
{
    static const char *const names[] = {"b2n", "xd", "dg"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *p = (gopro_protocol)i;
            return true;
        }
    return false;
}

static int numbers(study *s, cli *c)
{
    const char *seeds = cli_flag_value(c, "seeds"), *jobs = cli_flag_value(c, "jobs"), *memory = cli_flag_value(c, "memory");
    if (!parse_seeds(s->seed, &s->q.n_seeds, seeds ? seeds : "1-3"))
        return cli_usage(c, "--seeds '%s' is not a list such as 1,2,3 or 1-3 of at most %d", seeds, MAX_SEEDS);
    if (!parse_style(&s->style, c)) return cli_usage(c, "--format is 'text', 'md', 'tex' or 'csv', not '%s'", cli_flag_value(c, "format"));
    if (!parse_count(&s->jobs, jobs ? jobs : "1", MAX_JOBS))
        return cli_usage(c, "--jobs '%s' is not a number from 1 to %d", jobs, MAX_JOBS);
    if (memory && !parse_count(&s->memory, memory, (size_t)1 << 30)) return cli_usage(c, "--memory '%s' is not a number of MiB", memory);
    return 0;
}

/* Datasets, methods, seeds: 0 or an exit status. */
static int study_parse(study *s, cli *c, gopro_protocol protocol, const char *methods)
{
    const char *data = cli_flag_value(c, "data"), *out = cli_flag_value(c, "out"), *source = cli_flag_value(c, "source");
    s->q.protocol = protocol;
    if (!data || !out) return cli_usage(c, "--%s is missing", data ? "out" : "data");
    if (protocol != GOPRO_B2N && !source) return cli_usage(c, "--source is missing: the dataset to train on; --data names the targets");
    if (protocol == GOPRO_B2N && source) return cli_usage(c, "--source is for xd and dg; base-to-new trains on every dataset of --data");
    int status = numbers(s, c);
    if (status) return status;
    if (cli_flag_value(c, "methods")) methods = cli_flag_value(c, "methods");
    if (!cli_split(&s->targets, data) || !cli_split(&s->methods, methods)) return 1;
    s->data = calloc(s->targets.n + 1, sizeof *s->data);
    if (!s->data) return 1;
    if (source) s->data[s->q.n_data++] = source;
    for (size_t i = 0; i < s->targets.n; i++) s->data[s->q.n_data++] = s->targets.item[i];
    s->q.data = s->data;
    s->q.methods = s->methods.item;
    s->q.n_methods = s->methods.n;
    s->q.seeds = s->seed;
    s->q.out = out;
    return 0;
}

/* In this process, one run after the other. */
static int run_here(cli *c, const gopro_plan_request *q, char **name)
{
    gopro_error err = {0};
    gopro_model *m = NULL;
    gopro_plan *plan = NULL;
    gopro_status st = cli_model_load(c, &m, cli_model_folder(c), &err);
    if (st == GOPRO_OK) st = gopro_plan_create(&plan, m, c->config, q, &err);
    if (st == GOPRO_OK) *name = strdup(gopro_plan_name(plan));
    if (st == GOPRO_OK) st = gopro_plan_run_all(c->context, plan, &err);
    gopro_plan_free(&plan);
    gopro_model_free(&m);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}

static int study_run(study *s, cli *c)
{
    gopro_error err = {0}, failure = {0};
    char *name = NULL, *text = NULL;
    int status = s->jobs > 1 ? cli_run_jobs(c, &s->q, s->jobs, s->memory, &name) : run_here(c, &s->q, &name);
    if (status == 0) {
        gopro_status st = name ? gopro_report(&text, s->style, s->q.out, name, &failure, &err) : GOPRO_E_NOMEM;
        if (text) cli_text(c, text);
        if (st != GOPRO_OK)
            status = cli_fail(c, st, &err);
        else if (failure.code != GOPRO_OK)
            status = cli_fail(c, (gopro_status)failure.code, &failure);
    }
    gopro_string_free(text);
    free(name);
    return status;
}

int cmd_protocol(cli *c)
{
    study s = {.jobs = 1};
    gopro_protocol protocol;
    if (c->n_arg != 1 || !protocol_by_name(&protocol, c->arg[0]))
        return cli_usage(c, "which protocol? 'b2n' (base-to-new), 'xd' (cross-dataset) or 'dg' (domain generalisation)%s%s",
                         c->n_arg ? ", not " : "", c->n_arg ? c->arg[c->n_arg > 1] : "");
    int status = study_parse(&s, c, protocol, "zeroshot,gopro");
    if (status == 0) status = study_run(&s, c);
    study_free(&s);
    return status;
}

int cmd_ablate(cli *c)
{
    study s = {.jobs = 1};
    gopro_protocol protocol = GOPRO_B2N;
    const char *name = cli_flag_value(c, "protocol");
    size_t what = 0; /* the argument that is no list of values */
    while (what < c->n_arg && strchr(c->arg[what], '=')) what++;
    if (what == c->n_arg) return cli_usage(c, "which ablation? 'losses', 'tokens', 'shots' or 'grid'");
    if (name && !protocol_by_name(&protocol, name)) return cli_usage(c, "--protocol is 'b2n', 'xd' or 'dg', not '%s'", name);
    s.q.ablation = c->arg[what];
    for (size_t i = what; i + 1 < c->n_arg; i++) c->arg[i] = c->arg[i + 1];
    s.q.axes = c->arg;
    s.q.n_axes = c->n_arg - 1;
    for (size_t i = 0; i < s.q.n_axes; i++)
        if (!strchr(c->arg[i], '=')) return cli_usage(c, "unexpected argument '%s'", c->arg[i]);
    int status = study_parse(&s, c, protocol, "gopro");
    if (status == 0) status = study_run(&s, c);
    study_free(&s);
    return status;
}

/* All reports of a folder, or one. */
int cmd_report(cli *c)
{
    gopro_error err = {0};
    gopro_table style;
    char *names = NULL, *rest = NULL;
    if (c->n_arg < 1 || c->n_arg > 2) return cli_usage(c, c->n_arg ? "one folder and at most one name" : "which folder?");
    if (!parse_style(&style, c)) return cli_usage(c, "--format is 'text', 'md', 'tex' or 'csv', not '%s'", cli_flag_value(c, "format"));
    gopro_status st = GOPRO_OK;
    if (c->n_arg == 2)
        names = strdup(c->arg[1]);
    else
        st = gopro_report_names(&names, c->arg[0], &err);
    bool several = names && strchr(names, '\n'), first = true, json = style == GOPRO_TABLE_JSON;
    if (several && json) cli_text(c, "[\n");
    for (char *name = names ? strtok_r(names, "\n", &rest) : NULL; st == GOPRO_OK && name; name = strtok_r(NULL, "\n", &rest)) {
        char *text = NULL;
        st = gopro_report(&text, style, c->arg[0], name, NULL, &err);
        if (text && !first) cli_text(c, json ? ",\n" : "\n");
        if (text) cli_text(c, text);
        gopro_string_free(text);
        first = false;
    }
    if (several && json && st == GOPRO_OK) cli_text(c, "]\n");
    free(names);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}
