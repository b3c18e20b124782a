/* cmd_bench_load.c - gopro bench load|augment: images per second from files to batches, and the time of every operation on one image.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "bench.h"
#include "bench/load.h"

static bool side(const cli *c, uint32_t *size)
{
    size_t v = *size;
    const bool ok = bench_count(c, "size", &v, 4096);
    *size = (uint32_t)v;
    return ok;
}

/* ---- load ---- */

static json_t *rate_json(const gp_bench_rate *r)
{
    return json_pack("{s:f,s:f,s:f}", "median", r->median, "min", r->min, "max", r->max);
}

static void load_json(const gp_bench_load_config *b, const gp_bench_load_result *r)
{
    json_t *views = json_array(), *rows = json_array();
    for (size_t i = 0; i < r->n_views; i++) json_array_append_new(views, json_string(r->view[i]));
    for (size_t i = 0; i < r->n_rows; i++) {
        const gp_bench_load_row *t = &r->row[i];
        json_array_append_new(rows, json_pack("{s:I,s:o,s:o,s:o,s:o,s:f,s:f}", "threads", (json_int_t)t->threads, "decode",
                                              rate_json(&t->decode), "transform", rate_json(&t->transform), "loader", rate_json(&t->loader),
                                              "loader_decoding", rate_json(&t->fresh), "s_per_image", 1.0 / t->loader.median,
                                              "s_per_image_decoding", 1.0 / t->fresh.median));
    }
    bench_print_json(json_pack("{s:s,s:s,s:o,s:I,s:I,s:I,s:I,s:I,s:o}", "what", "load", "method", r->method, "views", views, "images",
                               (json_int_t)r->images, "bytes", (json_int_t)r->bytes, "batch", (json_int_t)r->batch, "size",
                               (json_int_t)b->size, "repeats", (json_int_t)b->repeats, "images_per_second", rows));
}

static void print_rate(const gp_bench_rate *r)
{
    printf("  %7.0f (%.0f to %.0f)", r->median, r->min, r->max);
}

static void load_text(const gp_bench_load_config *b, const gp_bench_load_result *r)
{
    printf("%zu images, %.1f MB in files; views of %u pixels for %s:", r->images, 1e-6 * (double)r->bytes, b->size, r->title);
    for (size_t i = 0; i < r->n_views; i++) printf(" %s", r->view[i]);
    printf("; batch %zu, %zu repeats\n", r->batch, b->repeats);
    printf("images per second, median (least to most): read and decode, test transform, views, decode and views\n");
    for (size_t i = 0; i < r->n_rows; i++) {
        const gp_bench_load_row *t = &r->row[i];
        printf("%3zu thread%s", t->threads, t->threads > 1 ? "s" : " ");
        print_rate(&t->decode);
        print_rate(&t->transform);
        print_rate(&t->loader);
        print_rate(&t->fresh);
        printf("\n");
    }
    for (size_t i = 0; i < r->n_rows; i++)
        printf("%3zu thread%s  %.5f s per training image, %.5f s with decoding\n", r->row[i].threads, r->row[i].threads > 1 ? "s" : " ",
               1.0 / r->row[i].loader.median, 1.0 / r->row[i].fresh.median);
}

int bench_load(cli *c)
{
    gopro_error err = {0};
    gp_options *o = NULL;
    gp_bench_load_result r = {0};
    gp_bench_load_config b = {.data = cli_flag_value(c, "data"), .size = 224, .images = 128, .repeats = 5};
    if (!b.data) return cli_usage(c, "bench load needs --data");
    if (!bench_count(c, "images", &b.images, 1000000) || !bench_count(c, "repeats", &b.repeats, 1000) || !side(c, &b.size))
        return cli_usage(c, "--images, --repeats and --size are whole numbers from 1");
    gp_log log = {.write = bench_log, .user = c};
    gopro_status st = bench_options(&o, c->config, &err);
    if (st == GOPRO_OK) {
        const long online = sysconf(_SC_NPROCESSORS_ONLN);
        b.options = o;
        b.threads = (size_t)gp_opt_int(o, "threads");
        if (b.threads == 0) b.threads = online > 0 ? (size_t)online : 1;
        st = gp_bench_load(&b, &r, &log, &err);
    }
    if (st == GOPRO_OK) (c->json ? load_json : load_text)(&b, &r);
    gp_bench_load_free(&r);
    gp_options_free(&o);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}

/* ---- augment ---- */

static json_t *ops_json(const gp_bench_op *op, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s,s:f,s:f,s:f}", "name", op[i].name, "median_us", op[i].median_us, "min_us", op[i].min_us,
                                              "max_us", op[i].max_us));
    return list;
}

static void augment_json(const gp_bench_augment_config *b, const gp_bench_augment_result *r)
{
    const size_t n = r->n - r->n_augmix;
    bench_print_json(json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "what", "augment", "width", (json_int_t)r->width, "height",
                               (json_int_t)r->height, "size", (json_int_t)b->size, "repeats", (json_int_t)b->repeats, "jpeg_bytes",
                               (json_int_t)r->jpeg_bytes, "png_bytes", (json_int_t)r->png_bytes, "operations", ops_json(r->op, n),
                               "augmix_operations", ops_json(r->op + n, r->n_augmix)));
}

static void augment_text(const gp_bench_augment_config *b, const gp_bench_augment_result *r)
{
    printf("an image of %u x %u pixels (JPEG of %zu bytes, PNG of %zu), views of %u, %zu repeats\n", r->width, r->height, r->jpeg_bytes,
           r->png_bytes, b->size, b->repeats);
    printf("microseconds of processor time on one thread: median, least, most\n");
    for (size_t i = 0; i < r->n; i++)
        printf("%s%-*s %8.0f %8.0f %8.0f\n", i < r->n - r->n_augmix ? "" : "augmix: ", i < r->n - r->n_augmix ? 20 : 12, r->op[i].name,
               r->op[i].median_us, r->op[i].min_us, r->op[i].max_us);
}

int bench_augment(cli *c)
{
    gopro_error err = {0};
    gp_bench_augment_result r;
    gp_bench_augment_config b = {.image = cli_flag_value(c, "image"), .width = 500, .height = 375, .size = 224, .repeats = 50};
    const char *picture = cli_flag_value(c, "picture");
    char rest;
    if (picture && b.image) return cli_usage(c, "--image and --picture exclude each other");
    if (picture && (sscanf(picture, "%5ux%5u%c", &b.width, &b.height, &rest) != 2 || b.width == 0 || b.height == 0 || b.width > 16384 ||
                    b.height > 16384))
        return cli_usage(c, "--picture is WIDTHxHEIGHT in pixels, up to 16384x16384");
    if (!bench_count(c, "repeats", &b.repeats, 100000) || !side(c, &b.size))
        return cli_usage(c, "--repeats and --size are whole numbers from 1");
    gopro_status st = gp_bench_augment(&b, &r, &err);
    if (st == GOPRO_OK) (c->json ? augment_json : augment_text)(&b, &r);
    return st == GOPRO_OK ? 0 : cli_fail(c, st, &err);
}
