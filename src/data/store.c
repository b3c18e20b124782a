/* store.c - decoded images kept between epochs, bounded in bytes, filled by a few threads.
 * SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "data/bytes.h"
#include "data/loader.h"

#define MAX_THREADS 64

/* Read-only once built. */
struct gp_image_store {
    char *root;
    gp_item *item; /* paths borrowed from the dataset */
    gp_image *im;  /* px NULL: not kept */
    bool *bad;
    size_t n;
    uint32_t least;
};

typedef struct filler {
    gp_image_store *s;
    size_t max_bytes, used, next, first_bad;
    bool skip_bad, full;
    const gp_log *log;
    gopro_error err;
    gopro_status st;
    pthread_mutex_t lock;
} filler;

static gopro_status read_item(gp_image *im, const gp_image_store *s, size_t i, gopro_error *err)
{
    return gp_item_read_least(im, s->root, &s->item[i], s->least, err);
}

/* Next image to decode, or n.  Nothing after the first bad one, so that the one reported does not depend on the threads. */
static size_t take(filler *f)
{
    pthread_mutex_lock(&f->lock);
    size_t i = f->s->n;
    if (f->next < f->s->n && f->next < f->first_bad && (f->skip_bad || !f->full)) i = f->next++;
    pthread_mutex_unlock(&f->lock);
    return i;
}

static void keep(filler *f, size_t i, gp_image *im)
{
    const size_t bytes = (size_t)im->w * im->h * im->channels;
    pthread_mutex_lock(&f->lock);
    const bool fits = !f->full && bytes <= f->max_bytes - f->used;
    if (fits)
        f->used += bytes;
    else
        f->full = true;
    pthread_mutex_unlock(&f->lock);
    if (fits)
        f->s->im[i] = *im;
    else
        gp_image_free(im);
}

static void reject(filler *f, size_t i, gopro_status st, const gopro_error *err)
{
    pthread_mutex_lock(&f->lock);
    if (f->skip_bad && st == GOPRO_E_DATA) {
        f->s->bad[i] = true;
        gp_logf(f->log, GP_LOG_WARN, "skipped: %s", err->msg);
    } else if (i < f->first_bad) {
        f->first_bad = i;
        f->err = *err;
        f->st = st;
    }
    pthread_mutex_unlock(&f->lock);
}

static void *fill(void *arg)
{
    filler *f = arg;
    for (size_t i = take(f); i < f->s->n; i = take(f)) {
        gp_image im = {0};
        gopro_error err = {0};
        gopro_status st = read_item(&im, f->s, i, &err);
        if (st == GOPRO_OK)
            keep(f, i, &im);
        else
            reject(f, i, st, &err);
    }
    return NULL;
}

static gopro_status fill_all(filler *f, size_t threads, gopro_error *err)
{
    if (threads == 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        threads = online > 0 ? (size_t)online : 1;
    }
    threads = gp_min_size(gp_min_size(threads, MAX_THREADS), f->s->n);
    pthread_t helper[MAX_THREADS];
    size_t n = 0;
    if (pthread_mutex_init(&f->lock, NULL) != 0) return gp_fail(err, GOPRO_E_NOMEM, "cannot create a lock");
    /* Fewer helpers than wished is no failure: this thread works too. */
    while (n + 1 < threads && pthread_create(&helper[n], NULL, fill, f) == 0) n++;
    fill(f);
    for (size_t i = 0; i < n; i++) pthread_join(helper[i], NULL);
    pthread_mutex_destroy(&f->lock);
    if (f->st == GOPRO_OK) return GOPRO_OK;
    if (err) *err = f->err;
    gp_fail_in(err, f->st, "image %zu of %zu", f->first_bad + 1, f->s->n);
    return f->st;
}

gopro_status gp_image_store_create_with(gp_image_store **out, const char *root, const gp_item *item, size_t n, size_t max_bytes,
                                        uint32_t least, bool skip_bad, size_t threads, const gp_log *log, gopro_error *err)
{
    *out = NULL;
    gp_image_store *s = calloc(1, sizeof *s);
    if (!s) return gp_fail_nomem(err, sizeof *s, "an image store");
    s->n = n;
    s->least = least;
    s->root = gp_strdup(root);
    s->item = calloc(n + 1, sizeof *s->item);
    s->im = calloc(n + 1, sizeof *s->im);
    s->bad = calloc(n + 1, sizeof *s->bad);
    gopro_status st = GOPRO_OK;
    if (!s->root || !s->item || !s->im || !s->bad) {
        st = gp_fail_nomem(err, n * sizeof *s->im, "an image store");
    } else {
        if (n) memcpy(s->item, item, n * sizeof *item);
        filler f = {.s = s, .max_bytes = max_bytes, .first_bad = n, .skip_bad = skip_bad, .log = log};
        /* With no room at all there is nothing to keep, so nothing to decode ahead. */
        f.full = max_bytes == 0;
        if (n) st = fill_all(&f, threads, err);
    }
    if (st != GOPRO_OK)
        gp_image_store_free(&s);
    else
        *out = s;
    return st;
}

gopro_status gp_image_store_create(gp_image_store **s, const char *root, const gp_item *item, size_t n, size_t max_bytes, gopro_error *err)
{
    return gp_image_store_create_with(s, root, item, n, max_bytes, 0, false, 0, NULL, err);
}

void gp_image_store_free(gp_image_store **ps)
{
    gp_image_store *s = *ps;
    if (!s) return;
    for (size_t i = 0; s->im && i < s->n; i++) gp_image_free(&s->im[i]);
    free(s->root);
    free(s->item);
    free(s->im);
    free(s->bad);
    free(s);
    *ps = NULL;
}

size_t gp_image_store_size(const gp_image_store *s)
{
    return s->n;
}

bool gp_image_store_bad(const gp_image_store *s, size_t i)
{
    return s->bad[i];
}

size_t gp_image_store_drop_bad(gp_image_store *s, gp_item *item, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < s->n && i < n; i++) {
        if (s->bad[i]) continue;
        item[k] = item[i];
        s->item[k] = s->item[i];
        s->im[k++] = s->im[i];
    }
    memset(s->bad, 0, s->n * sizeof *s->bad);
    s->n = k;
    return k;
}

gopro_status gp_image_store_get(const gp_image_store *s, size_t i, gp_image *own, const gp_image **im, gopro_error *err)
{
    *own = (gp_image){0};
    *im = NULL;
    if (i >= s->n) return gp_fail(err, GOPRO_E_INVALID, "image %zu is out of range; the list has %zu", i, s->n);
    if (s->im[i].px) {
        *im = &s->im[i];
        return GOPRO_OK;
    }
    GP_TRY(read_item(own, s, i, err));
    *im = own;
    return GOPRO_OK;
}
