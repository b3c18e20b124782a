/* cmd_bench.c - gopro bench step|predict|gemm (kernels: cmd_bench_kernels.c; load, augment: cmd_bench_load.c): seconds, work, share of the
 * GEMM peak and memory, on random weights or those of a parity case.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "bench/bench.h"

void bench_log(void *user, gp_log_level level, const char *text)
{
    const cli *c = user;
    if (!c->quiet || level == GP_LOG_WARN) fprintf(stderr, "%s\n", text);
}

bool bench_count(const cli *c, const char *flag, size_t *v, size_t max)
{
    const char *text = cli_flag_value(c, flag);
    char *end;
    if (!text) return true;
    unsigned long x = strtoul(text, &end, 10);
    *v = x;
    return *text >= '0' && *text <= '9' && *end == '\0' && x >= 1 && x <= max;
}

gopro_status bench_options(gp_options **o, const gopro_config *config, gopro_error *err)
{
    *o = gp_options_create();
    gopro_status st = *o ? GOPRO_OK : gp_fail_nomem(err, 0, "options");
    for (size_t i = 0; st == GOPRO_OK && i < gopro_option_count(); i++) {
        if (!gopro_config_is_set(config, gopro_option_name(i))) continue;
        char *v = gopro_config_get(config, gopro_option_name(i));
        st = v ? gp_options_set(*o, gopro_option_name(i), v, "argument", err) : gp_fail_nomem(err, 0, "options");
        free(v);
    }
    return st;
}

void bench_print_json(json_t *j)
{
    char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(j);
}

static const char *precision_name(gp_precision p)
{
    return p == GP_BF16 ? "bf16" : "f32";
}

static void result_json(const char *what, const gp_bench_config *b, const gp_bench_result *r, const gp_compute *k)
{
    json_t *j =
        json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "what", what, "method", r->method, "precision", precision_name(b->precision),
                  "kernels", k->k->name, "threads", (json_int_t)gp_pool_size(k->pool), "batch", (json_int_t)r->batch, "classes",
                  (json_int_t)r->classes, "M", (json_int_t)r->M, "repeats", (json_int_t)b->repeats);
    const struct {
        const char *key;
        double value;
    } number[] = {
        {"_s", r->median_s},
        {"_min_s", r->min_s},
        {"_max_s", r->max_s},
        {"_images_s", r->images_s},
    };
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s%s", what, number[i].key);
        if (j) json_object_set_new(j, key, json_real(number[i].value));
    }
    json_t *rest = json_pack("{s:f,s:f,s:f,s:f,s:f}", "gflop", r->gflop, "gflops", r->gflop / r->median_s, "peak_gflops", r->peak_gflops,
                             "fraction", r->fraction, "rss_mib", r->rss_mib);
    if (j && rest) json_object_update(j, rest);
    if (j && strcmp(what, "step") == 0) json_object_set_new(j, "loss", json_real(r->loss));
    json_decref(rest);
    bench_print_json(j);
}

static void print(const char *what, const gp_bench_config *b, const gp_bench_result *r, const gp_compute *k)
{
    const bool step = strcmp(what, "step") == 0;
    printf("%s %s, ViT %zux%zu patch %zu, batch %zu, %zu classes, %s, %zu threads, kernels %s\n", r->title, step ? "step" : "prediction",
           r->arch.image, r->arch.image, r->arch.patch, r->batch, r->classes, precision_name(b->precision), gp_pool_size(k->pool),
           k->k->name);
    printf("seconds            %.4f (%.4f to %.4f, %zu repeats)\n", r->median_s, r->min_s, r->max_s, b->repeats);
    if (r->images_s > 0.0) printf("of these           %.4f in the frozen image tower\n", r->images_s);
    printf("work               %.1f GFLOP in matrix products\n", r->gflop);
    printf("rate               %.1f GFLOP/s, %.0f %% of the GEMM peak of this run (%.1f GFLOP/s)\n", r->gflop / r->median_s,
           100.0 * r->fraction, r->peak_gflops);
    printf("peak memory        %.0f MiB\n", r->rss_mib);
}

/* The shapes of both towers' linear layers. */
static gopro_status gemm_table(const cli *c, gp_compute *k, gp_precision prec, const gp_clip_arch *a, gopro_error *err)
{
    static const size_t rows[] = {GP_ROW_BLOCK, 64, 16};
    const struct {
        const char *name;
        size_t out, in;
    } shape[] = {
        {"image qkv", 3 * a->v.width, a->v.width}, {"image out", a->v.width, a->v.width},    {"image fc1", a->v.hidden, a->v.width},
        {"image fc2", a->v.width, a->v.hidden},    {"text qkv", 3 * a->t.width, a->t.width}, {"text out", a->t.width, a->t.width},
        {"text fc1", a->t.hidden, a->t.width},     {"text fc2", a->t.width, a->t.hidden},
    };
    json_t *list = json_array();
    if (!c->json) printf("GFLOP/s in %s, %zu threads\n%-10s %5s %5s", precision_name(prec), gp_pool_size(k->pool), "layer", "out", "in");
    for (size_t i = 0; !c->json && i < sizeof rows / sizeof rows[0]; i++) printf("  %4zu rows  backward", rows[i]);
    if (!c->json) printf("\n");
    gopro_status st = GOPRO_OK;
    for (size_t s = 0; s < sizeof shape / sizeof shape[0] && st == GOPRO_OK; s++) {
        if (!c->json) printf("%-10s %5zu %5zu", shape[s].name, shape[s].out, shape[s].in);
        for (size_t i = 0; i < 2 * (sizeof rows / sizeof rows[0]) && st == GOPRO_OK; i++) {
            double g = 0.0;
            st = gp_bench_gemm(k, prec, shape[s].out, shape[s].in, rows[i / 2], i % 2, 0.25, &g, err);
            if (c->json)
                json_array_append_new(list, json_pack("{s:s,s:I,s:I,s:I,s:b,s:f}", "layer", shape[s].name, "out", (json_int_t)shape[s].out,
                                                      "in", (json_int_t)shape[s].in, "rows", (json_int_t)rows[i / 2], "backward",
                                                      (int)(i % 2), "gflops", g));
            else
                printf(i % 2 ? "  %8.0f" : "  %9.0f", g);
        }
        if (!c->json) printf("\n");
    }
    if (c->json)
        bench_print_json(json_pack("{s:s,s:s,s:I,s:O}", "what", "gemm", "precision", precision_name(prec), "threads",
                                   (json_int_t)gp_pool_size(k->pool), "products", list));
    json_decref(list);
    return st;
}

int cmd_bench(cli *c)
{
    gopro_error err = {0};
    gp_compute *compute = NULL;
    gp_options *o = NULL;
    gp_bench_result r;
    const char *what = c->n_arg == 1 ? c->arg[0] : "";
    const bool gemm = strcmp(what, "gemm") == 0, predict = strcmp(what, "predict") == 0;
    gp_bench_config b = {.arch = gp_bench_vit_b16(), .classes = 50, .name_tokens = 2, .batch = predict ? 1 : 4, .repeats = 5};
    if (strcmp(what, "load") == 0) return bench_load(c);
    if (strcmp(what, "augment") == 0) return bench_augment(c);
    if (strcmp(what, "kernels") == 0) return bench_kernels(c);
    if (!gemm && !predict && strcmp(what, "step") != 0)
        return cli_usage(c, "which benchmark? expected step, predict, gemm, kernels, load or augment");
    if (!bench_count(c, "classes", &b.classes, 100000) || !bench_count(c, "batch", &b.batch, 4096) ||
        !bench_count(c, "repeats", &b.repeats, 1000))
        return cli_usage(c, "--classes, --batch and --repeats are whole numbers from 1");
    b.case_file = cli_flag_value(c, "case");
    b.weights = cli_flag_value(c, "weights");
    b.known_views = cli_flag_value(c, "known-views") != NULL;
    if (!b.case_file != !b.weights) return cli_usage(c, "--case and --weights belong together");
    if (b.case_file && (cli_flag_value(c, "classes") || cli_flag_value(c, "batch")))
        return cli_usage(c, "--classes and --batch are those of the case");
    gopro_status st = bench_options(&o, c->config, &err);
    if (st == GOPRO_OK) {
        b.options = o;
        b.precision = gp_opt_is(o, "precision", "bf16") ? GP_BF16 : GP_F32;
        st = gp_compute_create(&compute, (size_t)gp_opt_int(o, "threads"), getenv("GOPRO_CPU"), &err);
    }
    gp_log log = {.write = bench_log, .user = c};
    if (st == GOPRO_OK && gemm) st = gemm_table(c, compute, b.precision, &b.arch, &err);
    if (st == GOPRO_OK && !gemm) st = (predict ? gp_bench_predict : gp_bench_step)(compute, &b, &r, &log, &err);
    if (st == GOPRO_OK && !gemm) (c->json ? result_json : print)(what, &b, &r, compute);
    gp_compute_free(&compute);
    gp_options_free(&o);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}
