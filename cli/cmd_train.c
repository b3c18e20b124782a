/* cmd_train.c - gopro zeroshot, train, eval: through the public interface.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"
#include "base/str.h"
#include "cli.h"
#include "report/curves.h"

static const char *const subset_name[] = {"all", "base", "new"};

static json_t *scores_json(const gopro_scores *s)
{
    return json_pack("{s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f}", "images", (json_int_t)s->images, "classes", (json_int_t)s->classes, "correct",
                     (json_int_t)s->correct, "accuracy", s->accuracy, "macro_f1", s->macro_f1, "class_mean", s->class_mean, "ece", s->ece,
                     "nll", s->nll, "brier", s->brier);
}

static void print_json(cli *c, const gopro_result *r)
{
    json_t *test = json_object();
    for (int s = GOPRO_ALL; s <= GOPRO_NEW; s++) {
        gopro_scores v;
        if (gopro_result_scores(r, (gopro_subset)s, &v)) json_object_set_new(test, subset_name[s], scores_json(&v));
    }
    double hm = gopro_result_harmonic_mean(r);
    if (hm > 0.0) json_object_set_new(test, "hm", json_real(hm));
    json_t *j = json_pack("{s:s,s:s,s:b,s:I,s:s,s:o}", "method", gopro_result_method(r), "dataset", gopro_result_dataset(r), "already_done",
                          gopro_result_was_done(r), "parameters", (json_int_t)gopro_result_parameters(r), "model_selection",
                          gopro_result_model_selection(r), "test", test);
    if (gopro_result_class_count(r) > 0 && cli_flag_value(c, "per-class")) {
        json_t *per = json_object();
        for (size_t k = 0; k < gopro_result_class_count(r); k++) {
            double a = gopro_result_class_accuracy(r, k);
            json_object_set_new(per, gopro_result_class_name(r, k), isnan(a) ? json_null() : json_real(a));
        }
        json_object_set_new(j, "per_class", per);
    }
    char *text = json_dumps(j, JSON_INDENT(2));
    cli_text(c, text ? text : "");
    cli_text(c, "\n");
    free(text);
    json_decref(j);
}

static void print_text(cli *c, const gopro_result *r)
{
    cli_text(c, "");
    printf("%s on %s%s\n", gopro_result_method(r), gopro_result_dataset(r), gopro_result_was_done(r) ? " (already done)" : "");
    for (int s = GOPRO_ALL; s <= GOPRO_NEW; s++) {
        gopro_scores v;
        if (!gopro_result_scores(r, (gopro_subset)s, &v)) continue;
        printf("  %-5s accuracy %6.2f   macro F1 %6.2f   ECE %5.2f   NLL %.4f   Brier %.4f   (%zu images, %zu classes)\n", subset_name[s],
               v.accuracy, v.macro_f1, v.ece, v.nll, v.brier, v.images, v.classes);
    }
    if (gopro_result_harmonic_mean(r) > 0.0) printf("  HM             %6.2f\n", gopro_result_harmonic_mean(r));
    if (strcmp(gopro_result_model_selection(r), "last epoch") != 0) printf("  kept: %s\n", gopro_result_model_selection(r));
    if (!cli_flag_value(c, "per-class")) return;
    for (size_t k = 0; k < gopro_result_class_count(r); k++)
        printf("  %6.2f  %s\n", gopro_result_class_accuracy(r, k), gopro_result_class_name(r, k));
}

/* --reliability FILE */
static gopro_status draw_reliability(const cli *c, const gopro_result *r, gopro_error *err)
{
    const char *path = cli_flag_value(c, "reliability");
    if (!path) return GOPRO_OK;
    gp_str svg = {0}, title = {0};
    gp_str_addf(&title, "%s on %s", gopro_result_method(r), gopro_result_dataset(r));
    if (!title.failed) gp_reliability_svg(&svg, &r->m, title.s);
    gopro_status st = title.failed || svg.failed ? gp_fail_nomem(err, svg.len, "the figure") : gp_write_file(path, svg.s, svg.len, err);
    gp_str_free(&svg);
    gp_str_free(&title);
    return st;
}

static int finish(cli *c, gopro_status st, gopro_error *err, gopro_result **r, gopro_model **m)
{
    int status = 0;
    if (st == GOPRO_OK) st = draw_reliability(c, *r, err);
    if (st != GOPRO_OK)
        status = cli_fail(c, st, err);
    else if (c->json)
        print_json(c, *r);
    else
        print_text(c, *r);
    gopro_result_free(r);
    gopro_model_free(m);
    return status;
}

int cmd_zeroshot(cli *c)
{
    gopro_error err = {0};
    gopro_model *m = NULL;
    gopro_result *r = NULL;
    gopro_subset subset;
    const char *data = cli_flag_value(c, "data");
    if (!data || c->n_arg > 0) return cli_usage(c, data ? "unexpected argument '%s'" : "--data is missing%s", data ? c->arg[0] : "");
    if (!cli_subset(c, &subset, GOPRO_ALL)) return cli_usage(c, "--subset is 'all', 'base' or 'new'");
    gopro_status st = cli_model_load(c, &m, cli_model_folder(c), &err);
    if (st == GOPRO_OK) st = gopro_evaluate(&r, c->context, m, c->config, NULL, data, subset, cli_flag_value(c, "cache"), &err);
    return finish(c, st, &err, &r, &m);
}

int cmd_train(cli *c)
{
    gopro_error err = {0};
    gopro_model *m = NULL;
    gopro_result *r = NULL;
    gopro_subset subset;
    const char *data = cli_flag_value(c, "data"), *out = cli_flag_value(c, "out");
    if (c->n_arg > 0) return cli_usage(c, "unexpected argument '%s'", c->arg[0]);
    if (!data || !out) return cli_usage(c, "--%s is missing", data ? "out" : "data");
    if (!cli_subset(c, &subset, GOPRO_ALL) || subset == GOPRO_NEW) return cli_usage(c, "--subset is 'all' or 'base'");
    gopro_status st = cli_model_load(c, &m, cli_model_folder(c), &err);
    if (st == GOPRO_OK) st = gopro_train(&r, c->context, m, c->config, data, subset, out, cli_flag_value(c, "cache"), &err);
    if (st == GOPRO_OK && gopro_result_was_done(r) && !c->quiet) fprintf(stderr, "%s: already done\n", out);
    return finish(c, st, &err, &r, &m);
}

int cmd_eval(cli *c)
{
    gopro_error err = {0};
    gopro_model *m = NULL;
    gopro_result *r = NULL;
    gopro_subset subset;
    char *run_model = NULL, *run_data = NULL;
    if (c->n_arg != 1) return cli_usage(c, c->n_arg == 0 ? "the run folder is missing" : "one run folder at a time");
    if (!cli_subset(c, &subset, GOPRO_ALL)) return cli_usage(c, "--subset is 'all', 'base' or 'new'");
    gopro_status st = gopro_run_paths(&run_model, &run_data, c->arg[0], &err);
    if (st == GOPRO_OK) st = gopro_config_from_run(c->config, c->arg[0], cli_flag_value(c, "data"), &err);
    const char *model = cli_flag_value(c, "model"), *data = cli_flag_value(c, "data");
    if (!model) model = run_model ? run_model : cli_model_folder(c);
    if (!data) data = run_data;
    if (st == GOPRO_OK && !data) {
        free(run_model);
        return cli_usage(c, "the run does not say where its data is; --data is needed");
    }
    if (st == GOPRO_OK) st = cli_model_load(c, &m, model, &err);
    if (st == GOPRO_OK) st = gopro_evaluate(&r, c->context, m, c->config, c->arg[0], data, subset, cli_flag_value(c, "cache"), &err);
    free(run_model);
    free(run_data);
    return finish(c, st, &err, &r, &m);
}
