/* cache.c - see cache.h: which images are on disk, computing the others block by block, and putting them there.
 * SPDX-License-Identifier: Apache-2.0 */
#include "features/cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/str.h"
#include "features/pack.h"

#define BATCH      64   /* images the tower sees at once */
#define PACK_ROWS  1024 /* images of a pack: what an interruption may lose, and what leaves a full folder at once */
#define PACK_SHARE 8    /* a pack takes at most this part of the folder's limit, so that the oldest goes bit by bit */

/* Rows computed and not on disk. */
typedef struct block {
    struct block *next;
    float *feat, *mu, *sigma;
} block;

typedef struct store {
    gp_packs *packs;
    block *blocks;
    uint8_t *bad;
} store;

/* One call's work. */
typedef struct job {
    const gp_features_request *q;
    const gp_watch *w;
    gp_features *x;
    gp_view_config view;
    gp_pack_space space;
    gp_image_id *id; /* [n]; NULL: nothing on disk */
    uint32_t *first; /* [n] the first image with the same bytes */
    uint32_t *miss;  /* [n_miss] images to compute */
    size_t n_miss, n_done;
    bool kept; /* still writing to disk */
    double t0;
} job;

static void block_free(block *b)
{
    if (!b) return;
    free(b->feat);
    free(b->mu);
    free(b->sigma);
    free(b);
}

void gp_features_free(gp_features **f)
{
    if (!f || !*f) return;
    store *s = (*f)->own;
    for (block *b = s ? s->blocks : NULL, *next; b; b = next) {
        next = b->next;
        block_free(b);
    }
    if (s) {
        gp_packs_free(&s->packs);
        free(s->bad);
        free(s);
    }
    free((*f)->feat);
    free((*f)->mu);
    free((*f)->sigma);
    free(*f);
    *f = NULL;
}

static gopro_status features_new(gp_features **f, const gp_features_request *q, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(q->model);
    gp_features *x = calloc(1, sizeof *x);
    store *s = calloc(1, sizeof *s);
    *f = x;
    if (!x || !s) {
        free(s);
        return gp_fail_nomem(err, sizeof *x, "image features");
    }
    x->own = s;
    x->n = q->n;
    x->embed = a->embed;
    x->layers = a->v.layers;
    x->width = a->v.width;
    x->bad = s->bad = calloc(q->n + 1, 1);
    x->feat = calloc(q->n + 1, sizeof *x->feat);
    x->mu = q->stats ? calloc(q->n + 1, sizeof *x->mu) : NULL;
    x->sigma = q->stats ? calloc(q->n + 1, sizeof *x->sigma) : NULL;
    bool ok = s->bad && x->feat && (!q->stats || (x->mu && x->sigma));
    return ok ? GOPRO_OK : gp_fail_nomem(err, q->n * sizeof *x->feat, "image features");
}

static void set_row(gp_features *x, size_t i, const gp_pack_row *r)
{
    x->feat[i] = r->feat;
    if (!x->mu) return;
    x->mu[i] = r->mu;
    x->sigma[i] = r->sigma;
}

/* The hash of everything the numbers depend on but the image. */
static gopro_status space_key(gp_pack_space *space, const gp_features_request *q, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(q->model);
    gp_sha256 c;
    gp_str line = {0};
    gp_str_addf(&line, "gopro features 2\n%s %d %s\n", gp_model_weights(q->model)->hash, (int)q->precision,
                gp_model_compute(q->model)->k->name);
    const size_t unit = gp_model_compute(q->model)->row_unit; /* stands for oneDNN's way to multiply without AVX-512 */
    if (unit != GP_ROW_UNIT) gp_str_addf(&line, "rows %zu\n", unit);
    gp_str_addf(&line, "tower %zu %d %.9g\n", a->v.heads, (int)a->v.act, a->v.eps); /* may be read in several ways, with the same weights */
    gp_str_addf(&line, "center %s %zu %zu %.9g %.9g %.9g %.9g %.9g %.9g\n", a->bilinear ? "bilinear" : "bicubic",
                a->resize ? a->resize : a->image, a->image, (double)a->mean[0], (double)a->mean[1], (double)a->mean[2], (double)a->std[0],
                (double)a->std[1], (double)a->std[2]);
    if (q->scaled_decode) gp_str_addf(&line, "scaled decode\n");
    if (line.failed) {
        gp_str_free(&line);
        return gp_fail_nomem(err, 0, "the key of the feature cache");
    }
    gp_sha256_init(&c);
    gp_sha256_add(&c, line.s, line.len);
    gp_sha256_hex(&c, space->key);
    gp_str_free(&line);
    space->embed = a->embed;
    space->layers = a->v.layers;
    space->width = a->v.width;
    return GOPRO_OK;
}

typedef struct named {
    const gp_image_id *id;
    uint32_t i;
} named;

static int compare_named(const void *a, const void *b)
{
    const named *x = a, *y = b;
    int d = memcmp(x->id, y->id, sizeof *x->id);
    return d != 0 ? d : x->i < y->i ? -1 : x->i > y->i;
}

/* Images with the same bytes are computed once. An unreadable file has no hash and stands alone: its error names it. */
static gopro_status find_twins(job *j, gopro_error *err)
{
    static const gp_image_id unread;
    size_t n = j->q->n;
    named *v = malloc((n + 1) * sizeof *v);
    if (!v) return gp_fail_nomem(err, n * sizeof *v, "image features");
    for (size_t i = 0; i < n; i++) v[i] = (named){&j->id[i], (uint32_t)i};
    if (n) qsort(v, n, sizeof *v, compare_named);
    for (size_t k = 1; k < n; k++) {
        bool same = memcmp(v[k].id, v[k - 1].id, sizeof *v[k].id) == 0 && memcmp(v[k].id, &unread, sizeof unread) != 0;
        if (same) j->first[v[k].i] = j->first[v[k - 1].i];
    }
    free(v);
    return GOPRO_OK;
}

static gopro_status look_up(job *j, gopro_error *err)
{
    const gp_features_request *q = j->q;
    store *s = j->x->own;
    j->first = malloc((q->n + 1) * sizeof *j->first);
    j->miss = malloc((q->n + 1) * sizeof *j->miss);
    if (!j->first || !j->miss) return gp_fail_nomem(err, q->n * sizeof *j->miss, "image features");
    for (size_t i = 0; i < q->n; i++) j->first[i] = (uint32_t)i;
    if (q->cache_dir && !q->encode) {
        j->id = malloc((q->n + 1) * sizeof *j->id);
        if (!j->id) return gp_fail_nomem(err, q->n * sizeof *j->id, "image features");
        GP_TRY(space_key(&j->space, q, err));
        GP_TRY(gp_image_ids(j->id, q->root, q->item, q->n, gp_model_compute(q->model)->pool, err));
        GP_TRY(gp_packs_open(&s->packs, q->cache_dir, &j->space, err));
        GP_TRY(find_twins(j, err));
    }
    for (size_t i = 0; i < q->n; i++) {
        gp_pack_row r;
        if (j->first[i] != i) continue;
        if (j->id && gp_packs_find(s->packs, &r, &j->id[i], q->stats))
            set_row(j->x, i, &r);
        else
            j->miss[j->n_miss++] = (uint32_t)i;
    }
    return GOPRO_OK;
}

/* Pixels of n missing images; with skip_bad, one that does not decode is noted and stays blank. */
static gopro_status read_pixels(float *px, job *j, const uint32_t *at, size_t n, gopro_error *err)
{
    const gp_features_request *q = j->q;
    gp_compute *c = gp_model_compute(q->model);
    gp_item item[BATCH];
    for (size_t i = 0; i < n; i++) item[i] = q->item[at[i]];
    gopro_status st = gp_test_pixels(px, q->root, item, n, &j->view, c->pool, err);
    if (st == GOPRO_OK || !q->skip_bad || (st != GOPRO_E_DATA && st != GOPRO_E_FORMAT && st != GOPRO_E_IO)) return st;
    size_t len = 3 * (size_t)j->view.size * j->view.size;
    for (size_t i = 0; i < n; i++) { /* one by one, to see which */
        gopro_error e = {0};
        st = gp_test_pixels(px + i * len, q->root, item + i, 1, &j->view, c->pool, &e);
        if (st == GOPRO_OK) continue;
        if (st == GOPRO_E_NOMEM) return gp_fail(err, st, "%s", e.msg);
        memset(px + i * len, 0, len * sizeof *px);
        ((store *)j->x->own)->bad[at[i]] = 1;
        if (j->w) gp_logf(&j->w->log, GP_LOG_WARN, "skipped: %s", e.msg);
    }
    return GOPRO_OK;
}

/* Rows first .. first+n-1 of the block. */
static gopro_status encode(block *b, const job *j, size_t first, const float *px, size_t n, gopro_error *err)
{
    size_t per = j->x->layers * j->x->width;
    float *feat = b->feat + first * j->x->embed;
    if (j->q->encode) return j->q->encode(j->q->user, feat, px, n, err);
    return gp_vision_fwd(j->q->model, feat, b->mu ? b->mu + first * per : NULL, b->sigma ? b->sigma + first * per : NULL, px, n, err);
}

static gopro_status run_tower(block *b, job *j, const uint32_t *at, size_t n, gopro_error *err)
{
    size_t image = 3 * (size_t)j->view.size * j->view.size;
    float *px = malloc(image * BATCH * sizeof *px);
    gopro_status st = px ? GOPRO_OK : gp_fail_nomem(err, image * BATCH * sizeof *px, "image features");
    for (size_t i = 0; st == GOPRO_OK && i < n; i += BATCH) {
        size_t k = gp_min_size(BATCH, n - i);
        if (j->w && gp_cancelled(&j->w->log)) {
            st = gp_fail(err, GOPRO_E_CANCELLED, "interrupted while computing image features");
            break;
        }
        st = read_pixels(px, j, at + i, k, err);
        if (st == GOPRO_OK) st = encode(b, j, i, px, k, err);
        if (st != GOPRO_OK) break;
        j->n_done += k;
        gp_progress p = {.what = "features", .done = j->n_done, .total = j->n_miss};
        gp_watch_tell(j->w, &p, j->t0, j->n_done, j->n_done);
    }
    free(px);
    return st;
}

static block *block_new(const gp_features *x, size_t n)
{
    size_t feat, stat;
    block *b = calloc(1, sizeof *b);
    bool ok = b && gp_mul_size(&feat, n * sizeof(float), x->embed) && gp_mul_size(&stat, n * sizeof(float), x->layers * x->width);
    if (ok) ok = (b->feat = malloc(feat)) != NULL;
    if (ok && x->mu) ok = (b->mu = malloc(stat)) != NULL && (b->sigma = malloc(stat)) != NULL;
    if (ok) return b;
    block_free(b);
    return NULL;
}

/* Moves the rows of the images that could be read to the front; returns their number. */
static size_t squeeze(block *b, uint32_t *at, const gp_features *x, size_t n)
{
    size_t k = 0, per = x->layers * x->width;
    for (size_t i = 0; i < n; i++) {
        if (x->bad[at[i]]) continue;
        if (k < i) {
            memcpy(b->feat + k * x->embed, b->feat + i * x->embed, x->embed * sizeof(float));
            if (b->mu) memcpy(b->mu + k * per, b->mu + i * per, per * sizeof(float));
            if (b->mu) memcpy(b->sigma + k * per, b->sigma + i * per, per * sizeof(float));
            at[k] = at[i];
        }
        k++;
    }
    return k;
}

/* true: the rows are on disk now and x stands on them */
static bool keep(const block *b, job *j, const uint32_t *at, size_t n)
{
    gopro_error e = {0};
    gp_image_id *id = malloc((n + 1) * sizeof *id);
    gp_pack_row *row = calloc(n + 1, sizeof *row);
    bool ok = id && row;
    for (size_t i = 0; ok && i < n; i++) id[i] = j->id[at[i]];
    if (ok && n) {
        ok = gp_packs_add(((store *)j->x->own)->packs, row, id, n, b->feat, b->mu, b->sigma, &e) == GOPRO_OK;
        if (ok) gp_packs_trim(((store *)j->x->own)->packs, j->q->cache_bytes);
        if (!ok && j->w) gp_logf(&j->w->log, GP_LOG_WARN, "image features are not kept on disk: %s", e.msg);
    }
    for (size_t i = 0; ok && i < n; i++) set_row(j->x, at[i], &row[i]);
    free(id);
    free(row);
    return ok;
}

static gopro_status compute_block(job *j, uint32_t *at, size_t n, gopro_error *err)
{
    gp_features *x = j->x;
    store *s = x->own;
    size_t per = x->layers * x->width;
    block *b = block_new(x, n);
    if (!b) return gp_fail_nomem(err, n * (x->embed + (x->mu ? 2 * per : 0)) * sizeof(float), "image features");
    gopro_status st = run_tower(b, j, at, n, err);
    if (st == GOPRO_OK) st = gp_clip_check(gp_model_weights(j->q->model), err); /* on disk they will stand under the weights' hash */
    if (st != GOPRO_OK) {
        block_free(b);
        return st;
    }
    x->n_computed += n;
    size_t good = squeeze(b, at, x, n);
    if (j->kept) j->kept = keep(b, j, at, good);
    if (j->kept) {
        block_free(b);
        return GOPRO_OK;
    }
    for (size_t i = 0; i < good; i++)
        set_row(x, at[i], &(gp_pack_row){b->feat + i * x->embed, b->mu ? b->mu + i * per : NULL, b->sigma ? b->sigma + i * per : NULL});
    b->next = s->blocks;
    s->blocks = b;
    return GOPRO_OK;
}

static gopro_status compute_all(job *j, gopro_error *err)
{
    const gp_features_request *q = j->q;
    const gp_clip_arch *a = gp_model_arch(q->model);
    size_t row = gp_pack_row_bytes(&j->space, q->stats), rows = PACK_ROWS;
    j->view = (gp_view_config){
        .size = (uint32_t)a->image, .resize = (uint32_t)a->resize, .bilinear = a->bilinear, .scale_min = 1.0, .scale_max = 1.0};
    j->view.scaled_decode = q->scaled_decode;
    memcpy(j->view.mean, a->mean, sizeof j->view.mean);
    memcpy(j->view.std, a->std, sizeof j->view.std);
    j->kept = j->id && q->cache_bytes >= 2 * row;
    if (j->kept) rows = gp_max_size(1, gp_min_size(PACK_ROWS, q->cache_bytes / PACK_SHARE / row));
    j->t0 = gp_seconds();
    for (size_t i = 0; i < j->n_miss; i += rows) GP_TRY(compute_block(j, j->miss + i, gp_min_size(rows, j->n_miss - i), err));
    return GOPRO_OK;
}

/* Twins share the row of the first; a hole has none. */
static void finish(job *j)
{
    gp_features *x = j->x;
    store *s = x->own;
    for (size_t i = 0; i < x->n; i++) {
        size_t f = j->first[i];
        s->bad[i] = s->bad[f];
        x->n_bad += s->bad[i];
        if (f != i) set_row(x, i, &(gp_pack_row){x->feat[f], x->mu ? x->mu[f] : NULL, x->sigma ? x->sigma[f] : NULL});
    }
    if (s->packs) gp_packs_trim(s->packs, j->q->cache_bytes);
}

gopro_status gp_features_get(gp_features **f, const gp_features_request *q, const gp_watch *w, gopro_error *err)
{
    gp_features_request own = *q;
    job j = {.q = &own, .w = w};
    *f = NULL;
    gopro_status st;
    if (own.encode) own.cache_dir = NULL; /* what another tower says holds for nobody else */
    GP_CHECK(features_new(&j.x, &own, err));
    GP_CHECK(look_up(&j, err));
    GP_CHECK(compute_all(&j, err));
    finish(&j);
out:
    free(j.id);
    free(j.first);
    free(j.miss);
    if (st == GOPRO_OK)
        *f = j.x;
    else
        gp_features_free(&j.x);
    return st;
}
