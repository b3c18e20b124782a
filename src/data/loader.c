/* loader.c - batches made ahead by threads, delivered in order; what a batch holds does not depend on the threads (METHODS 5.3).
 * SPDX-License-Identifier: Apache-2.0 */
#include "data/loader.h"

#include <pthread.h>
#include <stdlib.h>

#define MAX_THREADS 256

typedef enum slot_state { SLOT_FREE, SLOT_FILLING, SLOT_READY, SLOT_OUT } slot_state;

/* Batch number k of the run lives in slot k % n_slots. */
typedef struct slot {
    gp_batch b;
    slot_state state;
    size_t index;               /* which batch it holds */
    size_t taken, done, bad_at; /* items handed out, finished; the first bad one */
    gopro_status st;
    gopro_error err;
} slot;

struct gp_loader {
    gp_loader_config c;
    gp_image_store *store;
    uint32_t *label, *order;
    size_t n, B, iters, total; /* images, batch size, batches per epoch and in all */
    size_t fill, head;         /* the batch being handed out; the next to deliver */
    size_t item_floats;        /* 3 R R */
    slot *slot;
    size_t n_slots;
    pthread_mutex_t lock;
    pthread_cond_t work, ready;
    pthread_t *thread;
    size_t n_threads;
    bool stop, have_sync;
};

size_t gp_loader_iters(size_t n, size_t batch)
{
    if (n == 0 || batch == 0) return 0;
    return n < batch ? 1 : n / batch;
}

/* The slot of the batch being handed out, if it has items left to give (lock held). */
static slot *open_slot(gp_loader *l)
{
    if (l->fill >= l->total) return NULL;
    slot *s = &l->slot[l->fill % l->n_slots];
    /* A slot being filled may still belong to the batch n_slots before. */
    if (s->state == SLOT_FILLING && s->index == l->fill) return s;
    if (s->state != SLOT_FREE) return NULL;
    const size_t iter = l->fill % l->iters, epoch = l->c.first_epoch + l->fill / l->iters;
    if (iter == 0) {
        gp_rng r = gp_rng_make(l->c.seed, GP_RNG_ORDER, epoch, 0);
        for (size_t i = 0; i < l->n; i++) l->order[i] = (uint32_t)i;
        gp_rng_shuffle(&r, l->order, l->n);
    }
    for (size_t j = 0; j < l->B; j++) {
        s->b.sample[j] = l->order[iter * l->B + j];
        s->b.label[j] = l->label[s->b.sample[j]];
    }
    s->index = l->fill;
    s->b.epoch = epoch;
    s->b.iter = iter;
    s->taken = s->done = 0;
    s->bad_at = l->B;
    s->st = GOPRO_OK;
    s->state = SLOT_FILLING;
    return s;
}

gopro_status gp_loader_views(float *const x[GP_LOADER_VIEWS], const gp_image_store *s, const gp_view_config *c, uint64_t seed, size_t epoch,
                             size_t sample, gopro_error *err)
{
    gp_image own;
    const gp_image *im;
    gopro_status st = gp_image_store_get(s, sample, &own, &im, err);
    if (st == GOPRO_OK && (x[0] || x[1] || x[2])) st = gp_views_make(x[0], x[1], x[2], im, c, seed, epoch, sample, err);
    for (uint32_t a = 0; a < 2 && st == GOPRO_OK; a++)
        if (x[3 + a]) st = gp_ssl_view_make(x[3 + a], im, c, seed, epoch, sample, a, err);
    gp_image_free(&own);
    return st;
}

static gopro_status make_item(gp_loader *l, gp_batch *b, size_t j, gopro_error *err)
{
    const size_t draw = l->c.fixed ? b->epoch % l->c.fixed : b->epoch;
    float *x[GP_LOADER_VIEWS], *augmix = NULL;
    bool any = false;
    for (size_t v = 0; v < GP_LOADER_VIEWS; v++) {
        x[v] = b->view[v] ? b->view[v] + j * l->item_floats : NULL;
        any = any || x[v];
    }
    if (!any) return GOPRO_OK;
    if (l->c.view.augmix_first && j > 0) { /* of the batch's first image, drawn for this one */
        augmix = x[2];
        x[2] = NULL;
    }
    GP_TRY(gp_loader_views(x, l->store, &l->c.view, l->c.seed, draw, b->sample[j], err));
    if (!augmix) return GOPRO_OK;
    gp_image own;
    const gp_image *im;
    gopro_status st = gp_image_store_get(l->store, b->sample[0], &own, &im, err);
    if (st == GOPRO_OK) st = gp_views_augmix(augmix, im, &l->c.view, l->c.seed, draw, b->sample[0], b->sample[j], err);
    gp_image_free(&own);
    return st;
}

static void *work(void *arg)
{
    gp_loader *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->stop && l->fill < l->total) {
        slot *s = open_slot(l);
        if (!s) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        const size_t j = s->taken++;
        if (s->taken == l->B) l->fill++;
        pthread_mutex_unlock(&l->lock);
        gopro_error err = {0};
        gopro_status st = make_item(l, &s->b, j, &err);
        pthread_mutex_lock(&l->lock);
        if (st != GOPRO_OK && j < s->bad_at) {
            s->bad_at = j;
            s->st = st;
            s->err = err;
        }
        if (++s->done == l->B) {
            s->state = SLOT_READY;
            pthread_cond_broadcast(&l->ready);
        }
    }
    /* The last batch has been handed out: let the others see it. */
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static gopro_status alloc_slots(gp_loader *l, gopro_error *err)
{
    size_t bytes = 0, R = l->c.view.size;
    if (!gp_mul_size(&bytes, 3 * R, R) || !gp_mul_size(&bytes, bytes, l->B) || !gp_mul_size(&bytes, bytes, sizeof(float)))
        return gp_fail(err, GOPRO_E_INVALID, "a batch of %zu images of %zu x %zu pixels is too large", l->B, R, R);
    l->slot = calloc(l->n_slots, sizeof *l->slot);
    if (!l->slot) return gp_fail_nomem(err, l->n_slots * sizeof *l->slot, "batches");
    for (size_t k = 0; k < l->n_slots; k++) {
        gp_batch *b = &l->slot[k].b;
        b->B = l->B;
        b->label = calloc(l->B, sizeof *b->label);
        b->sample = calloc(l->B, sizeof *b->sample);
        if (!b->label || !b->sample) return gp_fail_nomem(err, l->B * sizeof *b->label, "batches");
        for (size_t v = 0; v < GP_LOADER_VIEWS; v++)
            if (l->c.want[v] && !(b->view[v] = malloc(bytes))) return gp_fail_nomem(err, bytes, "the views of a batch");
    }
    return GOPRO_OK;
}

static gopro_status start_threads(gp_loader *l, gopro_error *err)
{
    l->thread = calloc(l->c.threads, sizeof *l->thread);
    if (!l->thread) return gp_fail_nomem(err, l->c.threads * sizeof *l->thread, "loader threads");
    if (pthread_mutex_init(&l->lock, NULL) != 0) return gp_fail(err, GOPRO_E_NOMEM, "cannot create the loader's lock");
    if (pthread_cond_init(&l->work, NULL) != 0 || pthread_cond_init(&l->ready, NULL) != 0)
        return gp_fail(err, GOPRO_E_NOMEM, "cannot create the loader's conditions");
    l->have_sync = true;
    for (; l->n_threads < l->c.threads; l->n_threads++)
        if (pthread_create(&l->thread[l->n_threads], NULL, work, l) != 0) break;
    return l->n_threads ? GOPRO_OK : gp_fail(err, GOPRO_E_IO, "cannot start a loader thread; raise the limit on threads");
}

static gopro_status check_config(const gp_image_store *s, size_t n, const gp_loader_config *c, gopro_error *err)
{
    if (n == 0) return gp_fail(err, GOPRO_E_DATA, "no training images");
    if (n != gp_image_store_size(s))
        return gp_fail(err, GOPRO_E_INVALID, "the loader's list has %zu images, its store %zu", n, gp_image_store_size(s));
    if (n > UINT32_MAX) return gp_fail(err, GOPRO_E_INVALID, "too many images: %zu", n);
    if (c->batch == 0 || c->view.size == 0) return gp_fail(err, GOPRO_E_INVALID, "batch and image size must be at least 1");
    if (c->threads == 0 || c->threads > MAX_THREADS || c->ahead == 0 || c->ahead > 4096)
        return gp_fail(err, GOPRO_E_INVALID, "%zu loader threads, %zu batches ahead: expected 1 to %d and 1 to 4096", c->threads, c->ahead,
                       MAX_THREADS);
    return GOPRO_OK;
}

gopro_status gp_loader_create(gp_loader **out, gp_image_store *s, const gp_item *item, size_t n, const gp_loader_config *c,
                              gopro_error *err)
{
    *out = NULL;
    GP_TRY(check_config(s, n, c, err));
    gp_loader *l = calloc(1, sizeof *l);
    if (!l) return gp_fail_nomem(err, sizeof *l, "a loader");
    gopro_status st = GOPRO_OK;
    l->c = *c;
    l->store = s;
    l->n = n;
    l->B = gp_min_size(n, c->batch);
    l->iters = gp_loader_iters(n, c->batch);
    l->item_floats = 3 * (size_t)c->view.size * c->view.size;
    /* The caller may hold one batch while it asks for the next. */
    l->n_slots = c->ahead + 2;
    const size_t epochs = c->epochs > c->first_epoch ? c->epochs - c->first_epoch : 0;
    if (!gp_mul_size(&l->total, epochs, l->iters)) {
        st = gp_fail(err, GOPRO_E_INVALID, "too many epochs: %zu", epochs);
        goto out;
    }
    l->label = calloc(n, sizeof *l->label);
    l->order = calloc(n, sizeof *l->order);
    if (!l->label || !l->order) {
        st = gp_fail_nomem(err, 2 * n * sizeof *l->label, "a loader");
        goto out;
    }
    for (size_t i = 0; i < n; i++) l->label[i] = item[i].label;
    GP_CHECK(alloc_slots(l, err));
    GP_CHECK(start_threads(l, err));
out:
    if (st != GOPRO_OK)
        gp_loader_free(&l);
    else
        *out = l;
    return st;
}

void gp_loader_free(gp_loader **pl)
{
    gp_loader *l = *pl;
    if (!l) return;
    if (l->have_sync) {
        pthread_mutex_lock(&l->lock);
        l->stop = true;
        pthread_cond_broadcast(&l->work);
        pthread_mutex_unlock(&l->lock);
        for (size_t i = 0; i < l->n_threads; i++) pthread_join(l->thread[i], NULL);
        pthread_cond_destroy(&l->ready);
        pthread_cond_destroy(&l->work);
        pthread_mutex_destroy(&l->lock);
    }
    for (size_t k = 0; l->slot && k < l->n_slots; k++) {
        gp_batch *b = &l->slot[k].b;
        for (size_t v = 0; v < GP_LOADER_VIEWS; v++) free(b->view[v]);
        free(b->label);
        free(b->sample);
    }
    free(l->slot);
    free(l->label);
    free(l->order);
    free(l->thread);
    free(l);
    *pl = NULL;
}

static void release(gp_loader *l, slot *s)
{
    if (s->state != SLOT_OUT) return;
    s->state = SLOT_FREE;
    pthread_cond_broadcast(&l->work);
}

gopro_status gp_loader_next(gp_loader *l, gp_batch **b, gopro_error *err)
{
    *b = NULL;
    gopro_status st = GOPRO_OK;
    pthread_mutex_lock(&l->lock);
    if (l->head < l->total) {
        /* The batch before the last one delivered is over, given back or not. */
        if (l->head >= 2) release(l, &l->slot[(l->head - 2) % l->n_slots]);
        slot *s = &l->slot[l->head % l->n_slots];
        while (s->state != SLOT_READY) pthread_cond_wait(&l->ready, &l->lock);
        st = s->st;
        if (st == GOPRO_OK) {
            s->state = SLOT_OUT;
            *b = &s->b;
            l->head++;
        } else {
            /* Stays at this batch: asking again gives the same answer. */
            if (err) *err = s->err;
            l->stop = true;
            pthread_cond_broadcast(&l->work);
        }
    }
    pthread_mutex_unlock(&l->lock);
    return st;
}

void gp_loader_release(gp_loader *l, gp_batch *b)
{
    if (!b) return;
    pthread_mutex_lock(&l->lock);
    for (size_t k = 0; k < l->n_slots; k++)
        if (&l->slot[k].b == b) release(l, &l->slot[k]);
    pthread_mutex_unlock(&l->lock);
}
