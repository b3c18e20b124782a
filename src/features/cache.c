/* cache.c - see cache.h: the key of a list of images, reading a cache file, filling and writing one.
 * SPDX-License-Identifier: Apache-2.0 */
#include "features/cache.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "data/loader.h"
#include "weights/safetensors.h"

/* Images the tower sees at once; a constant, so that cached numbers do not depend on who computed them. */
#define GP_FEATURE_BATCH 64

typedef struct store {
    gp_safetensors *file;     /* arrays in the mapping, or NULL: */
    float *feat, *mu, *sigma; /* malloc'ed */
    uint8_t *bad;
} store;

void gp_features_free(gp_features **f)
{
    if (!f || !*f) return;
    store *s = (*f)->own;
    if (s) {
        gp_safetensors_close(&s->file);
        free(s->feat);
        free(s->mu);
        free(s->sigma);
        free(s->bad);
        free(s);
    }
    free(*f);
    *f = NULL;
}

static gopro_status features_new(gp_features **f, const gp_features_request *q, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(q->model);
    gp_features *x = calloc(1, sizeof *x);
    store *s = calloc(1, sizeof *s);
    uint8_t *bad = calloc(q->n ? q->n : 1, 1);
    if (!x || !s || !bad) {
        free(x);
        free(s);
        free(bad);
        return gp_fail_nomem(err, sizeof *x + q->n, "image features");
    }
    x->n = q->n;
    x->embed = a->embed;
    x->layers = a->v.layers;
    x->width = a->v.width;
    x->own = s;
    x->bad = s->bad = bad;
    *f = x;
    return GOPRO_OK;
}

/* The key of everything the numbers depend on; the file contents stand for themselves by size and time of change. */
static gopro_status list_key(char hex[65], const gp_features_request *q, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(q->model);
    gp_sha256 c;
    gp_sha256_init(&c);
    gp_str line = {0};
    gp_str_addf(&line, "gopro features 1\n%s %d %s\n", gp_model_weights(q->model)->hash, (int)q->precision,
                gp_model_compute(q->model)->k->name);
    gp_str_addf(&line, "tower %zu %d %.9g\n", a->v.heads, (int)a->v.act, a->v.eps); /* may be chosen, with the same weights */
    gp_str_addf(&line, "center %s %zu %zu %.9g %.9g %.9g %.9g %.9g %.9g\n", a->bilinear ? "bilinear" : "bicubic",
                a->resize ? a->resize : a->image, a->image, (double)a->mean[0], (double)a->mean[1], (double)a->mean[2], (double)a->std[0],
                (double)a->std[1], (double)a->std[2]);
    for (size_t i = 0; i < q->n && !line.failed; i++) {
        struct stat sb = {0};
        char *path = gp_path_join(q->root, q->item[i].path);
        if (path && stat(path, &sb) != 0) sb.st_size = -1; /* reading it will say why */
        if (!path) line.failed = true;
        free(path);
        gp_str_addf(&line, "%s %jd %jd.%09ld\n", q->item[i].path, (intmax_t)sb.st_size, (intmax_t)sb.st_mtim.tv_sec, sb.st_mtim.tv_nsec);
        if (line.len > 60000 && !line.failed) {
            gp_sha256_add(&c, line.s, line.len);
            line.len = 0;
        }
    }
    bool failed = line.failed;
    if (!failed) gp_sha256_add(&c, line.s, line.len);
    gp_str_free(&line);
    gp_sha256_hex(&c, hex);
    return failed ? gp_fail_nomem(err, 0, "the key of the feature cache") : GOPRO_OK;
}

static const float *mapped(const gp_safetensors *f, const char *name, size_t n, size_t a, size_t b)
{
    const gp_tensor *t = gp_safetensors_find(f, name);
    if (!t || t->dtype != GP_DT_F32 || t->rank != (b ? 3U : 2U) || t->shape[0] != n || t->shape[1] != a) return NULL;
    if (b && t->shape[2] != b) return NULL;
    if ((uintptr_t)t->data % sizeof(float) != 0) return NULL;
    return (const float *)(const void *)t->data;
}

/* true: *x now stands on the file's mapping */
static bool cache_read(gp_features *x, const gp_features_request *q, const char *path, const char *key)
{
    gp_safetensors *f = NULL;
    if (!gp_path_exists(path) || gp_safetensors_open(&f, path, NULL) != GOPRO_OK) return false;
    const char *have = gp_safetensors_meta(f, "key");
    const float *feat = mapped(f, "feat", q->n, x->embed, 0);
    const float *mu = q->stats ? mapped(f, "mu", q->n, x->layers, x->width) : NULL;
    const float *sigma = q->stats ? mapped(f, "sigma", q->n, x->layers, x->width) : NULL;
    if (!have || strcmp(have, key) != 0 || !feat || (q->stats && (!mu || !sigma))) {
        gp_safetensors_close(&f);
        return false;
    }
    ((store *)x->own)->file = f;
    x->feat = feat;
    x->mu = mu;
    x->sigma = sigma;
    return true;
}

static void cache_write(const gp_features *x, const gp_features_request *q, const char *path, const char *key, const gp_watch *w)
{
    gp_st_writer *o = gp_st_writer_create();
    if (!o) return;
    gopro_error e = {0};
    size_t s2[2] = {x->n, x->embed}, s3[3] = {x->n, x->layers, x->width};
    gp_st_writer_meta(o, "format", "gopro features 1");
    gp_st_writer_meta(o, "key", key);
    gp_st_writer_add(o, "feat", GP_DT_F32, s2, 2, x->feat, false);
    if (q->stats) {
        gp_st_writer_add(o, "mu", GP_DT_F32, s3, 3, x->mu, false);
        gp_st_writer_add(o, "sigma", GP_DT_F32, s3, 3, x->sigma, false);
    }
    gopro_status st = gp_mkdirs(q->cache_dir, &e);
    if (st == GOPRO_OK) st = gp_st_writer_commit(o, path, &e);
    if (st != GOPRO_OK && w) gp_logf(&w->log, GP_LOG_WARN, "image features are not kept on disk: %s", e.msg);
    gp_st_writer_free(&o);
}

static gopro_status read_pixels(float *px, gp_features *x, const gp_features_request *q, size_t first, size_t n, const gp_view_config *vc,
                                const gp_watch *w, gopro_error *err)
{
    gp_compute *c = gp_model_compute(q->model);
    gopro_status st = gp_test_pixels(px, q->root, q->item + first, n, vc, c->pool, err);
    if (st == GOPRO_OK || !q->skip_bad || (st != GOPRO_E_DATA && st != GOPRO_E_FORMAT && st != GOPRO_E_IO)) return st;
    size_t len = 3 * (size_t)vc->size * vc->size;
    for (size_t i = 0; i < n; i++) { /* one by one, to see which */
        gopro_error e = {0};
        st = gp_test_pixels(px + i * len, q->root, q->item + first + i, 1, vc, c->pool, &e);
        if (st == GOPRO_OK) continue;
        if (st == GOPRO_E_NOMEM) return gp_fail(err, st, "%s", e.msg);
        memset(px + i * len, 0, len * sizeof *px);
        ((store *)x->own)->bad[first + i] = 1;
        x->n_bad++;
        if (w) gp_logf(&w->log, GP_LOG_WARN, "skipped: %s", e.msg);
    }
    return GOPRO_OK;
}

static gopro_status run_tower(const gp_features_request *q, float *feat, float *mu, float *sigma, const float *px, size_t n,
                              gopro_error *err)
{
    return q->encode ? q->encode(q->user, feat, px, n, err) : gp_vision_fwd(q->model, feat, mu, sigma, px, n, err);
}

static gopro_status compute_all(gp_features *x, const gp_features_request *q, const gp_watch *w, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(q->model);
    store *s = x->own;
    gp_view_config vc = {
        .size = (uint32_t)a->image, .resize = (uint32_t)a->resize, .bilinear = a->bilinear, .scale_min = 1.0, .scale_max = 1.0};
    memcpy(vc.mean, a->mean, sizeof vc.mean);
    memcpy(vc.std, a->std, sizeof vc.std);
    size_t nf, ns, np, per = x->layers * x->width;
    if (!gp_mul_size(&nf, x->n, x->embed) || !gp_mul_size(&ns, x->n, per) || !gp_mul_size(&np, 3 * a->image, a->image) ||
        ns > SIZE_MAX / 8 || nf > SIZE_MAX / 8)
        return gp_fail_nomem(err, SIZE_MAX, "image features");
    float *px = malloc(np * GP_FEATURE_BATCH * sizeof *px);
    s->feat = malloc((nf ? nf : 1) * sizeof *s->feat);
    if (q->stats) {
        s->mu = malloc((ns ? ns : 1) * sizeof *s->mu);
        s->sigma = malloc((ns ? ns : 1) * sizeof *s->sigma);
    }
    gopro_status st = GOPRO_OK;
    if (!px || !s->feat || (q->stats && (!s->mu || !s->sigma))) st = gp_fail_nomem(err, nf * sizeof(float), "image features");
    double t0 = gp_seconds();
    for (size_t i = 0; st == GOPRO_OK && i < x->n; i += GP_FEATURE_BATCH) {
        size_t n = gp_min_size(GP_FEATURE_BATCH, x->n - i);
        if (w && gp_cancelled(&w->log)) {
            st = gp_fail(err, GOPRO_E_CANCELLED, "interrupted while computing image features");
            break;
        }
        st = read_pixels(px, x, q, i, n, &vc, w, err);
        if (st != GOPRO_OK) break;
        st = run_tower(q, s->feat + i * x->embed, q->stats ? s->mu + i * per : NULL, q->stats ? s->sigma + i * per : NULL, px, n, err);
        gp_progress p = {.what = "features", .done = i + n, .total = x->n};
        gp_watch_tell(w, &p, t0, i + n, i + n);
    }
    free(px);
    x->feat = s->feat;
    x->mu = s->mu;
    x->sigma = s->sigma;
    return st;
}

gopro_status gp_features_get(gp_features **f, const gp_features_request *q, const gp_watch *w, gopro_error *err)
{
    char key[65];
    char *path = NULL;
    gp_features *x = NULL;
    *f = NULL;
    gopro_status st;
    GP_CHECK(features_new(&x, q, err));
    if (q->cache_dir && !q->encode) {
        GP_CHECK(list_key(key, q, err));
        path = gp_sprintf("%s/%.32s.safetensors", q->cache_dir, key);
        if (!path) {
            st = gp_fail_nomem(err, 0, "image features");
            goto out;
        }
        if (cache_read(x, q, path, key)) goto out;
    }
    GP_CHECK(compute_all(x, q, w, err));
    if (path && x->n_bad == 0) cache_write(x, q, path, key, w);
out:
    free(path);
    if (st == GOPRO_OK)
        *f = x;
    else
        gp_features_free(&x);
    return st;
}
