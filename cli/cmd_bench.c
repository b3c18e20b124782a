/* cmd_bench.c - gopro bench step: seconds, work, share of the GEMM peak and memory of one training step of a method on random weights.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "cli.h"
#include "train/bench.h"

static void bench_log(void *user, gp_log_level level, const char *text)
{
    const cli *c = user;
    if (!c->quiet || level == GP_LOG_WARN) fprintf(stderr, "%s\n", text);
}

static bool count(const cli *c, const char *flag, size_t *v, size_t max)
{
    const char *text = cli_flag_value(c, flag);
    char *end;
    if (!text) return true;
    unsigned long x = strtoul(text, &end, 10);
    *v = x;
    return *text >= '0' && *text <= '9' && *end == '\0' && x >= 1 && x <= max;
}

/* What was set; the method's own defaults take the place of the others. */
static gopro_status copy_options(gp_options **o, const gopro_config *config, gopro_error *err)
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

static void print(const cli *c, const gp_bench_config *b, const gp_bench_result *r, const gp_compute *k)
{
    if (c->json) {
        json_t *j = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:f,s:f}", "method", r->method, "precision",
                              b->precision == GP_BF16 ? "bf16" : "f32", "kernels", k->k->name, "threads", (json_int_t)gp_pool_size(k->pool),
                              "batch", (json_int_t)b->batch, "classes", (json_int_t)b->classes, "step_s", r->median_s, "step_min_s",
                              r->min_s, "step_max_s", r->max_s, "gflop", r->gflop, "gflops", r->gflop / r->median_s, "peak_gflops",
                              r->peak_gflops, "fraction", r->fraction, "rss_mib", r->rss_mib);
        char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
        if (text) puts(text);
        free(text);
        json_decref(j);
        return;
    }
    printf("%s step, ViT %zux%zu patch %zu, batch %zu, %zu classes, %s, %zu threads, kernels %s\n", r->title, b->arch.image, b->arch.image,
           b->arch.patch, b->batch, b->classes, b->precision == GP_BF16 ? "bf16" : "f32", gp_pool_size(k->pool), k->k->name);
    printf("seconds per step   %.3f (%.3f to %.3f, %zu steps)\n", r->median_s, r->min_s, r->max_s, b->repeats);
    printf("work per step      %.1f GFLOP in matrix products\n", r->gflop);
    printf("rate               %.1f GFLOP/s, %.0f %% of the GEMM peak of this run (%.1f GFLOP/s)\n", r->gflop / r->median_s,
           100.0 * r->fraction, r->peak_gflops);
    printf("peak memory        %.0f MiB\n", r->rss_mib);
}

int cmd_bench(cli *c)
{
    gopro_error err = {0};
    gp_compute *compute = NULL;
    gp_options *o = NULL;
    gp_bench_result r;
    gp_bench_config b = {.arch = gp_bench_vit_b16(), .classes = 50, .name_tokens = 2, .batch = 4, .repeats = 5};
    if (c->n_arg != 1 || strcmp(c->arg[0], "step") != 0) return cli_usage(c, "which benchmark? 'step' is there");
    if (!count(c, "classes", &b.classes, 100000) || !count(c, "batch", &b.batch, 4096) || !count(c, "repeats", &b.repeats, 1000))
        return cli_usage(c, "--classes, --batch and --repeats are whole numbers from 1");
    gopro_status st = copy_options(&o, c->config, &err);
    if (st == GOPRO_OK) {
        b.options = o;
        b.precision = gp_opt_is(o, "precision", "bf16") ? GP_BF16 : GP_F32;
        st = gp_compute_create(&compute, (size_t)gp_opt_int(o, "threads"), getenv("GOPRO_CPU"), &err);
    }
    gp_log log = {.write = bench_log, .user = c};
    if (st == GOPRO_OK) st = gp_bench_step(compute, &b, &r, &log, &err);
    if (st == GOPRO_OK) print(c, &b, &r, compute);
    gp_compute_free(&compute);
    gp_options_free(&o);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}
