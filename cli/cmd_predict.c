/* cmd_predict.c - gopro predict: classes of images, through the public interface.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cli.h"

/* One name a line; empty lines and a final carriage return do not count. */
static bool names_from_file(cli_list *l, const char *path, gopro_error *err)
{
    size_t size = 0, n = 1;
    if (gp_read_file(&l->text, &size, path, (size_t)1 << 26, err) != GOPRO_OK) return false;
    for (size_t i = 0; i < size; i++) n += l->text[i] == '\n';
    l->item = calloc(n, sizeof *l->item);
    if (!l->item) return gp_fail_nomem(err, n * sizeof *l->item, "class names"), false;
    for (char *p = l->text, *next; p; p = next) {
        next = strchr(p, '\n');
        if (next) *next++ = '\0';
        size_t len = strlen(p);
        if (len && p[len - 1] == '\r') p[len - 1] = '\0';
        if (*p) l->item[l->n++] = p;
    }
    return true;
}

static void best_first(size_t *order, const double *p, size_t K, size_t top)
{
    for (size_t k = 0; k < K; k++) order[k] = k;
    for (size_t i = 0; i < top; i++)
        for (size_t k = i + 1; k < K; k++)
            if (p[order[k]] > p[order[i]] || (!(p[order[k]] < p[order[i]]) && order[k] < order[i])) {
                size_t t = order[i];
                order[i] = order[k];
                order[k] = t;
            }
}

static void print_json(const gopro_predictor *p, const char *image, const double *prob, const size_t *order, size_t top)
{
    json_t *a = json_array();
    for (size_t i = 0; i < top; i++)
        json_array_append_new(a, json_pack("{s:s,s:f}", "class", gopro_predictor_class_name(p, order[i]), "probability", prob[order[i]]));
    json_t *j = json_pack("{s:s%,s:o}", "image", image, strlen(image), "top", a);
    char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(j);
}

static void print_text(const gopro_predictor *p, const char *image, const double *prob, const size_t *order, size_t top)
{
    printf("%s\n", image);
    for (size_t i = 0; i < top; i++) printf("  %6.2f %%  %s\n", 100.0 * prob[order[i]], gopro_predictor_class_name(p, order[i]));
}

static gopro_status predict_all(cli *c, gopro_predictor *p, const char *const *image, size_t n, size_t top, gopro_error *err)
{
    size_t K = gopro_predictor_class_count(p), *order = calloc(K, sizeof *order);
    double *prob = calloc(K, sizeof *prob);
    gopro_status st = order && prob ? GOPRO_OK : gp_fail_nomem(err, K * sizeof *prob, "probabilities");
    if (top > K) top = K;
    for (size_t i = 0; st == GOPRO_OK && i < n; i++) {
        if (cli_interrupted()) {
            st = gp_fail(err, GOPRO_E_CANCELLED, "interrupted");
            break;
        }
        st = gopro_predict_file(p, image[i], prob, err);
        if (st != GOPRO_OK) break;
        best_first(order, prob, K, top);
        if (c->json)
            print_json(p, image[i], prob, order, top);
        else
            print_text(p, image[i], prob, order, top);
    }
    free(order);
    free(prob);
    return st;
}

int cmd_predict(cli *c)
{
    gopro_error err = {0};
    gopro_model *m = NULL;
    gopro_predictor *p = NULL;
    cli_list names = {0};
    char *run_model = NULL, *run_data = NULL;
    bool zeroshot = cli_flag_value(c, "zeroshot") != NULL;
    const char *classes = cli_flag_value(c, "classes"), *file = cli_flag_value(c, "classes-file"), *top = cli_flag_value(c, "top");
    const char *run = zeroshot ? NULL : c->n_arg > 0 ? c->arg[0] : NULL;
    size_t first = zeroshot ? 0 : 1;
    long n_top = top ? strtol(top, NULL, 10) : 5;
    if (!zeroshot && !run) return cli_usage(c, "the run folder is missing");
    if (c->n_arg <= first) return cli_usage(c, "no image given");
    if (classes && file) return cli_usage(c, "--classes and --classes-file exclude each other");
    if (zeroshot && !classes && !file) return cli_usage(c, "--zeroshot needs --classes or --classes-file");
    if (n_top < 1) return cli_usage(c, "--top '%s' is not a positive number", top);
    gopro_status st = GOPRO_OK;
    if (file && !names_from_file(&names, file, &err)) st = (gopro_status)err.code;
    if (classes && !cli_split(&names, classes)) st = gp_fail(&err, GOPRO_E_NOMEM, "out of memory for class names");
    if (st == GOPRO_OK && run) st = gopro_run_paths(&run_model, &run_data, run, &err);
    if (st == GOPRO_OK && run) st = gopro_config_from_run(c->config, run, NULL, &err);
    const char *model = cli_flag_value(c, "model");
    if (!model) model = run_model ? run_model : cli_model_folder(c);
    if (st == GOPRO_OK) st = cli_model_load(c, &m, model, &err);
    if (st == GOPRO_OK) st = gopro_predictor_create(&p, m, c->config, run, names.item, names.n, &err);
    if (st == GOPRO_OK) st = predict_all(c, p, c->arg + first, c->n_arg - first, (size_t)n_top, &err);
    int status = st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
    gopro_predictor_free(&p);
    gopro_model_free(&m);
    cli_list_free(&names);
    free(run_model);
    free(run_data);
    return status;
}
