/* cmd_figures.c - gopro tsne, curves, explain: what runs have learnt, to look at; thin calls of internal layers.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "base/str.h"
#include "cli.h"
#include "eval/explain.h"
#include "report/atlas_report.h"
#include "report/curves.h"
#include "train/prompt_file.h"

static bool number(const char *text, double least, double most, double *v)
{
    char *end;
    *v = strtod(text, &end);
    return end != text && *end == '\0' && *v >= least && *v <= most;
}

/* ---- tsne ---- */

static int tsne_flags(cli *c, gp_atlas_request *q)
{
    const char *points = cli_flag_value(c, "points"), *perplexity = cli_flag_value(c, "perplexity"), *n = cli_flag_value(c, "iterations");
    gopro_subset subset;
    double v;
    q->tsne = gp_tsne_defaults();
    q->points = 2000;
    if (!cli_subset(c, &subset, GOPRO_ALL)) return cli_usage(c, "--subset is 'all', 'base' or 'new'");
    q->subset = (gp_subset)subset;
    if (points && !number(points, 4, 1e6, &v)) return cli_usage(c, "--points '%s' is not a number from 4 to 1000000", points);
    if (points) q->points = (size_t)v;
    if (perplexity && !number(perplexity, 1, 300, &v)) return cli_usage(c, "--perplexity '%s' is not a number from 1 to 300", perplexity);
    if (perplexity) q->tsne.perplexity = v;
    if (n && !number(n, 1, 1e6, &v)) return cli_usage(c, "--iterations '%s' is not a number from 1 to 1000000", n);
    if (n) q->tsne.iterations = (size_t)v;
    return 0;
}

/* What becomes of the command line for one run. */
typedef struct origin {
    char *model;
    gopro_config config; /* with what the run recorded */
} origin;

/* The runs in the order given, zero-shot CLIP before them as the first run's model is; data: of the first run that says where it was. */
static gopro_status sources(cli *c, gp_atlas_source *s, origin *from, char **data, gopro_error *err)
{
    size_t zero = cli_flag_value(c, "zeroshot") ? 1 : 0;
    const char *fixed = cli_flag_value(c, "model");
    for (size_t i = 0; i < c->n_arg; i++) {
        char *d = NULL;
        GP_TRY(gopro_run_paths(&from[i].model, &d, c->arg[i], err));
        if (*data)
            free(d);
        else
            *data = d;
        from[i].config.o = gp_options_clone(c->config->o);
        if (!from[i].config.o) return gp_fail_nomem(err, 0, "options");
        GP_TRY(gopro_config_from_run(&from[i].config, c->arg[i], cli_flag_value(c, "data"), err));
        s[zero + i] = (gp_atlas_source){.run = c->arg[i],
                                        .model = fixed           ? fixed
                                                 : from[i].model ? from[i].model
                                                                 : cli_model_folder(c),
                                        .opt = from[i].config.o};
    }
    if (zero) s[0] = (gp_atlas_source){.model = c->n_arg ? s[1].model : cli_model_folder(c), .opt = c->n_arg ? s[1].opt : c->config->o};
    return GOPRO_OK;
}

static gopro_status print_atlas(cli *c, const gp_atlas *m, gopro_error *err)
{
    gp_str b = {0};
    gopro_status st = GOPRO_OK;
    if (c->json)
        st = gp_atlas_json(&b, m, err);
    else
        gp_atlas_text(&b, m);
    if (st == GOPRO_OK && b.failed) st = gp_fail_nomem(err, b.len, "the results");
    if (st == GOPRO_OK) cli_text(c, b.s);
    gp_str_free(&b);
    return st;
}

int cmd_tsne(cli *c)
{
    gopro_error err = {0};
    const char *out = cli_flag_value(c, "out"), *data = cli_flag_value(c, "data");
    size_t n = c->n_arg + (cli_flag_value(c, "zeroshot") ? 1 : 0);
    gp_atlas_request q = {.opt = c->config->o, .cache = cli_flag_value(c, "cache"), .n_sources = n};
    gp_atlas *m = NULL;
    char *run_data = NULL;
    if (n == 0) return cli_usage(c, "the run folders are missing");
    if (!out) return cli_usage(c, "--out is missing");
    int status = tsne_flags(c, &q);
    if (status != 0) return status;
    gp_atlas_source *s = calloc(n, sizeof *s);
    origin *from = calloc(n, sizeof *from);
    gopro_status st = s && from ? sources(c, s, from, &run_data, &err) : gp_fail_nomem(&err, n * sizeof *s, "the runs");
    q.source = s;
    if (c->n_arg && st == GOPRO_OK) q.opt = from[0].config.o; /* the images are those of the first run's data */
    q.data = data ? data : run_data;
    if (st == GOPRO_OK && !q.data) {
        status = cli_usage(c, "no run says where its data is; --data is needed");
    } else {
        if (st == GOPRO_OK) st = gp_atlas_make(&m, &q, &c->context->watch, &err);
        if (st == GOPRO_OK) st = gp_atlas_write(out, m, &err);
        if (st == GOPRO_OK) st = print_atlas(c, m, &err);
        if (st != GOPRO_OK) status = cli_fail(c, st, &err);
    }
    gp_atlas_free(&m);
    for (size_t i = 0; from && i < c->n_arg; i++) {
        free(from[i].model);
        gp_options_free(&from[i].config.o);
    }
    free(from);
    free(s);
    free(run_data);
    return status;
}

/* ---- curves ---- */

#define MAX_CURVES 48 /* colours and markers of more repeat */

int cmd_curves(cli *c)
{
    gopro_error err = {0};
    const char *out = cli_flag_value(c, "out");
    if (c->n_arg == 0) return cli_usage(c, "the run folders are missing");
    if (c->n_arg > MAX_CURVES) return cli_usage(c, "%zu runs are too many for one figure; take at most %d", c->n_arg, MAX_CURVES);
    if (!out && c->n_arg > 1) return cli_usage(c, "--out is needed for several runs");
    char *path = out ? gp_strdup(out) : gp_path_join(c->arg[0], "curves.svg");
    gp_str svg = {0};
    gopro_status st = path ? gp_curves_svg(&svg, c->arg, c->n_arg, &err) : gp_fail_nomem(&err, 0, "a path");
    if (st == GOPRO_OK) st = gp_write_file(path, svg.s, svg.len, &err);
    if (st == GOPRO_OK && !c->quiet) fprintf(stderr, "%s\n", path);
    gp_str_free(&svg);
    free(path);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}

/* ---- explain ---- */

static json_t *words_json(const gp_word *w, size_t n)
{
    json_t *a = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(a, json_pack("{s:I,s:s,s:b,s:f,s:f}", "id", (json_int_t)w[i].id, "text", w[i].text, "ends_word",
                                           (int)w[i].ends_word, "distance", w[i].distance, "cosine", w[i].cosine));
    return a;
}

static json_t *token_json(const gp_context_words *t, size_t top)
{
    json_t *o = json_pack("{s:I,s:f,s:f,s:o,s:o}", "token", (json_int_t)t->token + 1, "norm", t->norm, "moved", t->moved, "nearest",
                          words_json(t->nearest, top), "most_similar", words_json(t->similar, top));
    if (t->class_name) json_object_set_new(o, "class", json_string(t->class_name));
    json_object_set_new(o, "start", t->start ? json_string(t->start) : json_null());
    return o;
}

static gopro_status explain_json(cli *c, const gp_explanation *e, const gp_learner *l, gopro_error *err)
{
    json_t *a = json_array();
    for (size_t i = 0; i < e->n; i++) json_array_append_new(a, token_json(&e->token[i], e->top));
    json_t *j = json_pack("{s:i,s:s,s:I,s:b,s:o}", "schema", 1, "method", l->method->name, "context_tokens", (json_int_t)e->M, "per_image",
                          (int)e->per_image, "tokens", a);
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    if (text) {
        cli_text(c, text);
        cli_text(c, "\n");
    }
    free(text);
    json_decref(j);
    return text ? GOPRO_OK : gp_fail_nomem(err, 0, "the words");
}

static void word_list(gp_str *b, const char *what, const gp_word *w, size_t n, bool cosine)
{
    gp_str_addf(b, "  %-9s", what);
    for (size_t i = 0; i < n; i++)
        gp_str_addf(b, "%s %s%s %.3f", i ? "," : "", w[i].text, w[i].ends_word ? "" : "-", cosine ? w[i].cosine : w[i].distance);
    gp_str_add(b, "\n");
}

static gopro_status explain_text(cli *c, const gp_explanation *e, const gp_learner *l, gopro_error *err)
{
    gp_str b = {0};
    const char *class_name = NULL;
    gp_str_addf(&b, "%s, %zu context tokens; nearest words of the vocabulary (a hyphen: not the end of a word)\n", l->method->title, e->M);
    if (e->per_image) gp_str_add(&b, "These are the tokens that all images share; each image adds a shift of its own.\n");
    for (size_t i = 0; i < e->n; i++) {
        const gp_context_words *t = &e->token[i];
        if (t->class_name && t->class_name != class_name) gp_str_addf(&b, "\nclass %s\n", t->class_name);
        class_name = t->class_name;
        gp_str_addf(&b, "token %zu: length %.3f, moved %.3f from %s%s%s\n", t->token + 1, t->norm, t->moved, t->start ? "'" : "",
                    t->start ? t->start : "a random start", t->start ? "'" : "");
        word_list(&b, "distance", t->nearest, e->top, false);
        word_list(&b, "cosine", t->similar, e->top, true);
    }
    gopro_status st = b.failed ? gp_fail_nomem(err, b.len, "the words") : GOPRO_OK;
    if (st == GOPRO_OK) cli_text(c, b.s);
    gp_str_free(&b);
    return st;
}

static gopro_status explain(cli *c, gp_backbone *bb, size_t top, gopro_error *err)
{
    gp_prompt_info info = {0};
    gp_learner *l = NULL;
    gp_explanation *e = NULL;
    char *path = gp_sprintf("%s/prompt.safetensors", c->arg[0]);
    gopro_status st = path ? gp_prompt_read(&l, &info, bb, path, err) : gp_fail_nomem(err, 0, "a path");
    if (st == GOPRO_OK) st = gp_explain(&e, l, cli_flag_value(c, "class"), top, err);
    if (st == GOPRO_OK) st = c->json ? explain_json(c, e, l, err) : explain_text(c, e, l, err);
    gp_explanation_free(&e);
    gp_learner_free(&l);
    gp_prompt_info_free(&info);
    free(path);
    return st;
}

int cmd_explain(cli *c)
{
    gopro_error err = {0};
    gp_backbone *bb = NULL;
    char *run_model = NULL, *run_data = NULL;
    const char *model = cli_flag_value(c, "model"), *top = cli_flag_value(c, "top");
    double n = 5;
    if (c->n_arg != 1) return cli_usage(c, c->n_arg == 0 ? "the run folder is missing" : "one run folder at a time");
    if (top && !number(top, 1, 1000, &n)) return cli_usage(c, "--top '%s' is not a number from 1 to 1000", top);
    gopro_status st = gopro_run_paths(&run_model, &run_data, c->arg[0], &err);
    if (st == GOPRO_OK) st = gopro_config_from_run(c->config, c->arg[0], NULL, &err);
    if (!model) model = run_model ? run_model : cli_model_folder(c);
    if (st == GOPRO_OK) st = gp_backbone_load(&bb, model, c->config->o, &err);
    if (st == GOPRO_OK) st = explain(c, bb, (size_t)n, &err);
    gp_backbone_free(&bb);
    free(run_model);
    free(run_data);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}
