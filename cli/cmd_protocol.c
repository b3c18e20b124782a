/* cmd_protocol.c - gopro protocol b2n: through the public interface; several processes may share the runs.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

static gopro_status run(cli *c, gopro_b2n_plan *plan, gopro_table style, char **text, gopro_error *err)
{
    gopro_model *m = NULL;
    gopro_status st = cli_model_load(c, &m, cli_model_folder(c), err);
    if (st == GOPRO_OK) st = gopro_protocol_b2n(text, style, c->context, m, c->config, plan, err);
    gopro_model_free(&m);
    return st;
}

/* The children do their share without a word; what they leave undone, the parent finds. */
static void run_jobs(cli *c, gopro_b2n_plan *plan, size_t jobs)
{
    pid_t child[MAX_JOBS];
    char threads[32];
    size_t started = 0;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(threads, sizeof threads, "%ld", online / (long)jobs > 1 ? online / (long)jobs : 1);
    for (; started < jobs; started++) {
        fflush(NULL);
        child[started] = fork();
        if (child[started] < 0) break;
        if (child[started] > 0) continue;
        gopro_error err = {0};
        plan->share = started;
        plan->shares = jobs;
        gopro_config_set(c->config, "threads", threads, NULL);
        gopro_context_set_progress(c->context, NULL, NULL);
        gopro_status st = run(c, plan, GOPRO_TABLE_TEXT, NULL, &err);
        _exit(gopro_exit_status(st));
    }
    bool told = false;
    for (size_t i = 0; i < started; i++)
        while (waitpid(child[i], NULL, 0) < 0 && errno == EINTR) {
            if (!cli_interrupted() || told) continue;
            for (size_t k = i; k < started; k++) kill(child[k], SIGINT);
            told = true;
        }
}

int cmd_protocol(cli *c)
{
    gopro_error err = {0};
    const char *data = cli_flag_value(c, "data"), *out = cli_flag_value(c, "out"), *methods = cli_flag_value(c, "methods");
    const char *seeds = cli_flag_value(c, "seeds"), *format = cli_flag_value(c, "format"), *jobs = cli_flag_value(c, "jobs");
    uint64_t seed[MAX_SEEDS];
    size_t n_seeds = 0;
    if (c->n_arg != 1 || strcmp(c->arg[0], "b2n") != 0)
        return cli_usage(c, "which protocol? 'b2n' (base-to-new) is there%s%s", c->n_arg ? ", not " : "", c->n_arg ? c->arg[0] : "");
    if (!data || !out) return cli_usage(c, "--%s is missing", data ? "out" : "data");
    if (!parse_seeds(seed, &n_seeds, seeds ? seeds : "1-3"))
        return cli_usage(c, "--seeds '%s' is not a list such as 1,2,3 or 1-3 of at most %d", seeds, MAX_SEEDS);
    gopro_table style = c->json ? GOPRO_TABLE_JSON : GOPRO_TABLE_TEXT;
    if (format && strcmp(format, "md") == 0)
        style = GOPRO_TABLE_MARKDOWN;
    else if (format && strcmp(format, "csv") == 0)
        style = GOPRO_TABLE_CSV;
    else if (format && strcmp(format, "text") != 0)
        return cli_usage(c, "--format is 'text', 'md' or 'csv', not '%s'", format);
    long n_jobs = jobs ? strtol(jobs, NULL, 10) : 1;
    if (n_jobs < 1 || n_jobs > MAX_JOBS) return cli_usage(c, "--jobs '%s' is not a number from 1 to %d", jobs, MAX_JOBS);

    cli_list folders = {0}, names = {0};
    if (!cli_split(&folders, data) || !cli_split(&names, methods ? methods : "zeroshot,gopro")) return 1;
    gopro_b2n_plan plan = {.methods = names.item, .n_methods = names.n, .data = folders.item, .n_data = folders.n, .seeds = seed};
    plan.n_seeds = n_seeds;
    plan.out = out;
    if (n_jobs > 1) run_jobs(c, &plan, (size_t)n_jobs);
    char *text = NULL;
    gopro_status st = cli_interrupted() ? GOPRO_E_CANCELLED : run(c, &plan, style, &text, &err);
    if (cli_interrupted() && !err.msg[0]) snprintf(err.msg, sizeof err.msg, "interrupted; the same command goes on from there");
    if (text) cli_text(c, text);
    int status = st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
    gopro_string_free(text);
    cli_list_free(&folders);
    cli_list_free(&names);
    return status;
}
