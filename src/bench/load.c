/* load.c - images per second from files to a training step's batches, for 1 .. N loader threads.
 * SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "bench/subject.h"
#include "data/bytes.h"
#include "data/loader.h"
#include "train/backbone.h"

#define MAX_THREADS 256
#define AHEAD       3 /* as in training */
#define MIN_BATCHES (2 * (AHEAD + 2))

typedef struct work {
    const gp_bench_load_config *c;
    gp_options *opt; /* settled */
    const gp_method *method;
    gp_dataset *data;
    gp_item *item;
    size_t n, batch;
    gp_image_store *kept, *fresh;
    gp_view_config view;
    bool want[GP_LOADER_VIEWS];
    float **x;    /* [threads] the transformed image */
    bool *failed; /* [n] */
    double *t;    /* [repeats] */
} work;

static gopro_status settle(work *w, gopro_error *err)
{
    const gp_bench_load_config *c = w->c;
    if (c->threads == 0 || c->threads > MAX_THREADS || c->repeats == 0 || c->images == 0 || c->size == 0)
        return gp_fail(err, GOPRO_E_INVALID,
                       "%zu threads, %zu repeats, %zu images of %u pixels: expected 1 to %d threads, at least 1 of all", c->threads,
                       c->repeats, c->images, c->size, MAX_THREADS);
    const char *name = gp_opt_string(c->options, "method");
    w->method = gp_method_find(name);
    if (!w->method || !w->method->views) return gp_fail(err, GOPRO_E_INVALID, "method '%s' makes no views to time", name);
    w->opt = gp_options_clone(c->options);
    w->x = calloc(c->threads, sizeof *w->x);
    w->t = calloc(c->repeats, sizeof *w->t);
    if (!w->opt || !w->x || !w->t) return gp_fail_nomem(err, c->repeats * sizeof *w->t, "the benchmark");
    for (size_t i = 0; i < c->threads; i++)
        if (!(w->x[i] = malloc(3 * (size_t)c->size * c->size * sizeof(float)))) return gp_fail_nomem(err, 0, "the benchmark");
    GP_TRY(gp_method_apply_defaults(w->method, w->opt, true, err));
    gp_clip_arch arch = gp_bench_vit_b16();
    arch.image = c->size;
    gp_arch_views(&w->view, &arch, w->opt);
    return GOPRO_OK;
}

/* The images, and what the method wants of them. */
static gopro_status open_images(work *w, gp_bench_load_result *r, const gp_log *log, gopro_error *err)
{
    static const char *const view_name[GP_LOADER_VIEWS] = {"crop", "moco", "augmix", "ssl_a", "ssl_b"};
    const gp_data_rules rules = gp_data_rules_of(w->opt);
    const uint32_t least = gp_view_train_least(&w->view);
    const bool skip = gp_opt_bool(w->opt, "data.skip_bad");
    GP_TRY(gp_dataset_open(&w->data, w->c->data, &rules, log, err));
    const gp_split *train = &w->data->train;
    w->n = gp_min_size(train->n, w->c->images);
    w->item = calloc(w->n + 1, sizeof *w->item);
    w->failed = calloc(w->n + 1, sizeof *w->failed);
    if (!w->item || !w->failed) return gp_fail_nomem(err, w->n * sizeof *w->item, "the images");
    for (size_t i = 0; i < w->n; i++) w->item[i] = train->item[i * train->n / w->n];
    GP_TRY(gp_image_store_create_with(&w->kept, w->data->root, w->item, w->n, (size_t)gp_opt_int(w->opt, "data.cache_mib") << 20, least,
                                      skip, w->c->threads, log, err));
    w->n = gp_image_store_drop_bad(w->kept, w->item, w->n);
    if (w->n == 0) return gp_fail(err, GOPRO_E_DATA, "none of the training images of '%s' can be read", w->c->data);
    GP_TRY(gp_image_store_create_with(&w->fresh, w->data->root, w->item, w->n, 0, least, false, 1, log, err));
    w->batch = gp_min_size((size_t)gp_opt_int(w->opt, "optim.batch"), w->n);
    for (size_t i = 0; i < w->n; i++) {
        gp_item_stamp s;
        if (gp_item_stat(&s, w->data->root, &w->item[i])) r->bytes += s.size;
    }
    gp_view_kind kind[GP_MAX_VIEWS] = {GP_VIEW_CROP};
    const gp_setup setup = {.opt = w->opt};
    w->method->views(&setup, kind);
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) {
        if (kind[v] == GP_VIEW_NONE) continue;
        w->want[kind[v] - GP_VIEW_CROP] = true;
        r->view[r->n_views++] = view_name[kind[v] - GP_VIEW_CROP];
    }
    return GOPRO_OK;
}

/* n images a pass, in t[0 .. repeats-1] seconds. */
static gp_bench_rate rate(work *w, size_t n)
{
    const double images = (double)n, median = gp_bench_median(w->t, w->c->repeats);
    return (gp_bench_rate){images / median, images / w->t[w->c->repeats - 1], images / w->t[0]};
}

static void decode_block(void *arg, size_t i, size_t worker)
{
    work *w = arg;
    gp_image im;
    (void)worker;
    w->failed[i] = gp_item_read_least(&im, w->data->root, &w->item[i], gp_view_train_least(&w->view), NULL) != GOPRO_OK;
    gp_image_free(&im);
}

static gopro_status transform(work *w, size_t i, size_t worker, gopro_error *err)
{
    gp_image own, out = {0};
    const gp_image *im;
    gopro_status st = gp_image_store_get(w->kept, i, &own, &im, err);
    if (st == GOPRO_OK) st = gp_view_test(&out, im, &w->view, err);
    if (st == GOPRO_OK) gp_image_normalise(w->x[worker], &out, w->view.mean, w->view.std);
    gp_image_free(&own);
    gp_image_free(&out);
    return st;
}

static void transform_block(void *arg, size_t i, size_t worker)
{
    work *w = arg;
    w->failed[i] = transform(w, i, worker, NULL) != GOPRO_OK;
}

/* Passes over all images on the pool; the first is not counted. */
static gopro_status time_pool(gp_bench_rate *out, work *w, gp_pool *pool, gp_pool_fn *fn, gopro_error *err)
{
    for (size_t k = 0; k <= w->c->repeats; k++) {
        const double t0 = gp_bench_seconds();
        gp_parallel_for(pool, w->n, fn, w);
        if (k > 0) w->t[k - 1] = gp_bench_seconds() - t0;
        for (size_t i = 0; i < w->n; i++) {
            if (!w->failed[i]) continue;
            gp_image im; /* again, to see why */
            gopro_status st = gp_item_read(&im, w->data->root, &w->item[i], err);
            gp_image_free(&im);
            return st != GOPRO_OK ? st : transform(w, i, 0, err);
        }
    }
    *out = rate(w, w->n);
    return GOPRO_OK;
}

/* Batches taken as fast as the loader makes them.  A pass is as many epochs as go through all of the loader's memory, which the first
 * touches for the first time. */
static gopro_status time_loader(gp_bench_rate *out, work *w, gp_image_store *store, size_t threads, gopro_error *err)
{
    const size_t iters = gp_loader_iters(w->n, w->batch), epochs = (MIN_BATCHES + iters - 1) / iters;
    gp_loader_config lc = {.view = w->view, .batch = w->batch, .epochs = (w->c->repeats + 1) * epochs, .threads = threads, .ahead = AHEAD};
    gp_loader *loader = NULL;
    gp_batch *b = NULL;
    memcpy(lc.want, w->want, sizeof lc.want);
    lc.seed = (uint64_t)gp_opt_int(w->opt, "seed");
    gopro_status st = gp_loader_create(&loader, store, w->item, w->n, &lc, err);
    double t0 = gp_bench_seconds();
    while (st == GOPRO_OK && (st = gp_loader_next(loader, &b, err)) == GOPRO_OK && b) {
        if (b->iter + 1 == iters && (b->epoch + 1) % epochs == 0) {
            const double t = gp_bench_seconds();
            if (b->epoch >= epochs) w->t[b->epoch / epochs - 1] = t - t0;
            t0 = t;
        }
        gp_loader_release(loader, b);
    }
    gp_loader_free(&loader);
    if (st == GOPRO_OK) *out = rate(w, epochs * iters * w->batch);
    return st;
}

static gopro_status measure(work *w, gp_bench_load_row *row, size_t threads, const gp_log *log, gopro_error *err)
{
    gp_pool *pool = NULL;
    row->threads = threads;
    gopro_status st = gp_pool_create(&pool, threads, err);
    if (st == GOPRO_OK) st = time_pool(&row->decode, w, pool, decode_block, err);
    if (st == GOPRO_OK) st = time_pool(&row->transform, w, pool, transform_block, err);
    gp_pool_free(&pool);
    if (st == GOPRO_OK) st = time_loader(&row->loader, w, w->kept, threads, err);
    if (st == GOPRO_OK) st = time_loader(&row->fresh, w, w->fresh, threads, err);
    if (st == GOPRO_OK) gp_logf(log, GP_LOG_INFO, "%zu of %zu threads measured", threads, w->c->threads);
    return st;
}

static void work_free(work *w)
{
    gp_image_store_free(&w->kept);
    gp_image_store_free(&w->fresh);
    gp_dataset_free(&w->data);
    gp_options_free(&w->opt);
    for (size_t i = 0; w->x && i < w->c->threads; i++) free(w->x[i]);
    free(w->x);
    free(w->t);
    free(w->item);
    free(w->failed);
}

gopro_status gp_bench_load(const gp_bench_load_config *c, gp_bench_load_result *r, const gp_log *log, gopro_error *err)
{
    work w = {.c = c};
    *r = (gp_bench_load_result){0};
    gopro_status st;
    GP_CHECK(settle(&w, err));
    GP_CHECK(open_images(&w, r, log, err));
    r->row = calloc(c->threads, sizeof *r->row);
    if (!r->row) {
        st = gp_fail_nomem(err, c->threads * sizeof *r->row, "the benchmark");
        goto out;
    }
    for (size_t t = 0; t < c->threads; t++) {
        GP_CHECK(measure(&w, &r->row[t], t + 1, log, err));
        r->n_rows++;
    }
    r->method = w.method->name;
    r->title = w.method->title;
    r->images = w.n;
    r->batch = w.batch;
out:
    work_free(&w);
    if (st != GOPRO_OK) gp_bench_load_free(r);
    return st;
}

void gp_bench_load_free(gp_bench_load_result *r)
{
    free(r->row);
    r->row = NULL;
    r->n_rows = 0;
}
