/* fixed_views.c - see fixed_views.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "train/fixed_views.h"

#include <stdlib.h>
#include <string.h>

#include "methods/methods.h"

#define AT_ONCE 32 /* images that go through the tower together */

struct gp_fixed_views {
    const gp_learner *l;
    size_t n, sets, E, stat; /* images; sets of views; numbers of a feature and of one statistic, 0 without */
    size_t n_views;          /* kinds of views there are */
    gp_view_kind kind[GP_MAX_VIEWS];
    gp_real *v; /* [sets, n, views]: feature as the tower gives it, mu, sigma */
};

static size_t count_views(const gp_learner *l, gp_view_kind kind[GP_MAX_VIEWS])
{
    size_t n = 0;
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) kind[v] = GP_VIEW_NONE;
    kind[0] = GP_VIEW_CROP;
    if (l->method->views) l->method->views(&l->setup, kind);
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) n += kind[v] != GP_VIEW_NONE;
    return n;
}

static size_t numbers_of_view(const gp_learner *l)
{
    const gp_clip_arch *a = gp_model_arch(l->bb->model);
    return a->embed + (l->method->wants & GP_WANT_STATS ? 2 * a->v.layers * a->v.width : 0);
}

size_t gp_fixed_views_sets(const gp_learner *l)
{
    return gp_min_size((size_t)gp_opt_int(l->opt, "views.fixed"), gp_learner_epochs(l));
}

bool gp_fixed_views_possible(const gp_learner *l)
{
    gp_view_config vc;
    gp_backbone_views(&vc, l->bb, l->opt);
    return !(l->method->wants & GP_WANT_PIXELS) && !vc.augmix_first;
}

size_t gp_fixed_views_bytes(const gp_learner *l, size_t n)
{
    gp_view_kind kind[GP_MAX_VIEWS];
    size_t bytes = numbers_of_view(l) * count_views(l, kind) * sizeof(gp_real);
    if (!gp_mul_size(&bytes, bytes, n) || !gp_mul_size(&bytes, bytes, gp_fixed_views_sets(l))) return SIZE_MAX;
    return bytes;
}

static gp_real *place(const gp_fixed_views *f, size_t set, size_t sample, size_t view)
{
    return f->v + ((set * f->n + sample) * f->n_views + view) * (f->E + 2 * f->stat);
}

typedef struct chunk {
    const gp_fixed_views *f;
    const gp_view_config *view;
    const gp_image_store *store;
    uint64_t seed;
    size_t set, first, n;
    float *pixels[GP_MAX_VIEWS]; /* [n, 3, R, R] */
    gopro_status st[AT_ONCE];
    gopro_error err[AT_ONCE];
} chunk;

static void make_views(void *arg, size_t i, size_t worker)
{
    chunk *c = arg;
    const size_t one = 3 * (size_t)c->view->size * c->view->size;
    float *x[GP_LOADER_VIEWS] = {NULL};
    (void)worker;
    for (size_t v = 0; v < GP_MAX_VIEWS; v++)
        if (c->pixels[v]) x[c->f->kind[v] - GP_VIEW_CROP] = c->pixels[v] + i * one;
    c->st[i] = gp_loader_views(x, c->store, c->view, c->seed, c->set, c->first + i, &c->err[i]);
}

static void keep(const chunk *c, const gp_view view[GP_MAX_VIEWS])
{
    const gp_fixed_views *f = c->f;
    for (size_t i = 0; i < c->n; i++)
        for (size_t v = 0, at = 0; v < GP_MAX_VIEWS; v++) {
            if (f->kind[v] == GP_VIEW_NONE) continue;
            gp_real *to = place(f, c->set, c->first + i, at++);
            memcpy(to, view[v].raw + i * f->E, f->E * sizeof *to);
            if (!f->stat) continue;
            memcpy(to + f->E, view[v].mu + i * f->stat, f->stat * sizeof *to);
            memcpy(to + f->E + f->stat, view[v].sigma + i * f->stat, f->stat * sizeof *to);
        }
}

static gopro_status run_chunk(chunk *c, gopro_error *err)
{
    const gp_learner *l = c->f->l;
    gp_arena *a = gp_tape_arena(l->tape);
    const gp_tape_mark mark = gp_tape_mark_get(l->tape);
    gp_view view[GP_MAX_VIEWS];
    const float *pixels[GP_MAX_VIEWS];
    bool stats[GP_MAX_VIEWS];
    for (size_t v = 0; v < GP_MAX_VIEWS; v++) {
        pixels[v] = c->pixels[v];
        stats[v] = c->f->stat > 0;
    }
    gp_parallel_for(l->bb->compute->pool, c->n, make_views, c);
    for (size_t i = 0; i < c->n; i++) {
        if (c->st[i] == GOPRO_OK) continue;
        if (err) *err = c->err[i];
        return c->st[i];
    }
    const gopro_status st = gp_step_views(l->method, l->bb->model, a, view, pixels, c->n, stats, err);
    if (st == GOPRO_OK) keep(c, view);
    gp_tape_pop(l->tape, mark);
    return st;
}

static gopro_status run_all(gp_fixed_views *f, chunk *c, const gp_watch *w, gopro_error *err)
{
    const double t0 = gp_seconds();
    const size_t total = f->sets * f->n;
    for (c->set = 0; c->set < f->sets; c->set++)
        for (c->first = 0; c->first < f->n; c->first += c->n) {
            c->n = gp_min_size(AT_ONCE, f->n - c->first);
            if (w && gp_cancelled(&w->log)) return gp_fail(err, GOPRO_E_CANCELLED, "interrupted while the fixed views were made");
            GP_TRY(run_chunk(c, err));
            const size_t done = c->set * f->n + c->first + c->n;
            gp_progress p = {.what = "views", .done = done, .total = total};
            gp_watch_tell(w, &p, t0, done, done);
        }
    return GOPRO_OK;
}

gopro_status gp_fixed_views_create(gp_fixed_views **out, const gp_learner *l, const gp_view_config *view, const gp_image_store *store,
                                   size_t n, const gp_watch *w, gopro_error *err)
{
    const gp_clip_arch *a = gp_model_arch(l->bb->model);
    const size_t bytes = gp_fixed_views_bytes(l, n), px = AT_ONCE * 3 * a->image * a->image;
    gp_fixed_views *f = calloc(1, sizeof *f);
    chunk *c = calloc(1, sizeof *c);
    gopro_status st = f && c ? GOPRO_OK : gp_fail_nomem(err, sizeof *c, "the fixed views");
    *out = NULL;
    if (st != GOPRO_OK) goto out;
    *f = (gp_fixed_views){.l = l, .n = n, .sets = gp_fixed_views_sets(l), .E = a->embed};
    if (l->method->wants & GP_WANT_STATS) f->stat = a->v.layers * a->v.width;
    f->n_views = count_views(l, f->kind);
    *c = (chunk){.f = f, .view = view, .store = store, .seed = (uint64_t)gp_opt_int(l->opt, "seed")};
    f->v = bytes < SIZE_MAX ? malloc(bytes) : NULL;
    if (!f->v) {
        st = gp_fail(err, GOPRO_E_NOMEM, "views.fixed=%zu for %zu images needs %zu MiB, more than there is; lower it", f->sets, n,
                     bytes >> 20);
        goto out;
    }
    for (size_t v = 0; v < GP_MAX_VIEWS && st == GOPRO_OK; v++)
        if (f->kind[v] != GP_VIEW_NONE && !(c->pixels[v] = malloc(px * sizeof(float))))
            st = gp_fail_nomem(err, px * sizeof(float), "the fixed views");
    if (st == GOPRO_OK) st = run_all(f, c, w, err);
out:
    for (size_t v = 0; c && v < GP_MAX_VIEWS; v++) free(c->pixels[v]);
    free(c);
    if (st == GOPRO_OK)
        *out = f;
    else
        gp_fixed_views_free(&f);
    return st;
}

void gp_fixed_views_free(gp_fixed_views **f)
{
    if (!f || !*f) return;
    free((*f)->v);
    free(*f);
    *f = NULL;
}

gopro_status gp_fixed_views_get(const gp_fixed_views *f, gp_view out[GP_MAX_VIEWS], gp_arena *a, const uint32_t *sample, size_t B,
                                size_t epoch, gopro_error *err)
{
    const size_t set = epoch % f->sets;
    for (size_t v = 0, at = 0; v < GP_MAX_VIEWS; v++) {
        out[v] = (gp_view){0};
        if (f->kind[v] == GP_VIEW_NONE) continue;
        gp_view *o = &out[v];
        o->raw = gp_arena_alloc_raw(a, B * f->E, sizeof *o->raw);
        o->feat = gp_arena_alloc_raw(a, B * f->E, sizeof *o->feat);
        if (f->stat) {
            o->mu = gp_arena_alloc_raw(a, B * f->stat, sizeof *o->mu);
            o->sigma = gp_arena_alloc_raw(a, B * f->stat, sizeof *o->sigma);
        }
        if (gp_arena_failed(a)) return gp_fail_nomem(err, 2 * B * (f->E + f->stat) * sizeof *o->raw, "the views of a batch");
        for (size_t b = 0; b < B; b++) {
            const gp_real *from = place(f, set, sample[b], at);
            memcpy(o->raw + b * f->E, from, f->E * sizeof *from);
            memcpy(o->feat + b * f->E, from, f->E * sizeof *from);
            gp_unit(o->feat + b * f->E, f->l->bb->compute->k, f->E);
            if (!f->stat) continue;
            memcpy(o->mu + b * f->stat, from + f->E, f->stat * sizeof *from);
            memcpy(o->sigma + b * f->stat, from + f->E + f->stat, f->stat * sizeof *from);
        }
        at++;
    }
    return GOPRO_OK;
}
