/* evaluate.c - see evaluate.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/evaluate.h"

#include <stdlib.h>
#include <string.h>

struct gp_classifier {
    gp_learner *l; /* borrowed */
    gp_classes classes;
};

void gp_classifier_free(gp_classifier **c)
{
    if (!c || !*c) return;
    gp_classes_close(&(*c)->classes);
    free(*c);
    *c = NULL;
}

bool gp_classifier_wants_stats(const gp_classifier *c)
{
    return (c->l->method->wants & GP_WANT_STATS) != 0;
}

gopro_status gp_classifier_create(gp_classifier **c, gp_learner *l, const char *const *class_name, size_t K, gp_own_template own,
                                  gopro_error *err)
{
    *c = calloc(1, sizeof **c);
    if (!*c) return gp_fail_nomem(err, sizeof **c, "a classifier");
    (*c)->l = l;
    gopro_status st = gp_classes_open(&(*c)->classes, l, class_name, K, own, false, err);
    if (st != GOPRO_OK) gp_classifier_free(c);
    return st;
}

gopro_status gp_classifier_logits(gp_classifier *c, gp_real *logits, const float *feat, const float *mu, const float *sigma, size_t B,
                                  gopro_error *err)
{
    return gp_learner_logits(c->l, &c->classes, logits, feat, mu, sigma, B, err);
}

static gopro_status own_tower(void *user, float *feat, const float *pixels, size_t n, gopro_error *err)
{
    return gp_learner_encode(user, feat, NULL, NULL, pixels, n, err);
}

void gp_features_by(gp_features_request *q, gp_learner *l)
{
    if (l && (l->method->wants & GP_WANT_PIXELS)) q->encode = own_tower;
    q->user = l;
}

gopro_status gp_testset_open(gp_testset *t, gp_learner *l, const gp_dataset *d, const gp_options *o, const char *cache_dir,
                             const gp_watch *w, gopro_error *err)
{
    return gp_testset_open_items(t, l, d, d->test.item, d->test.n, o, cache_dir, w, err);
}

gopro_status gp_testset_open_items(gp_testset *t, gp_learner *l, const gp_dataset *d, const gp_item *item, size_t n, const gp_options *o,
                                   const char *cache_dir, const gp_watch *w, gopro_error *err)
{
    const gp_backbone *b = l->bb;
    *t = (gp_testset){.data = d, .item = item, .n = n};
    gp_features_request q = {.model = b->model, .precision = b->precision, .root = d->root, .item = item, .n = n};
    q.stats = (l->method->wants & GP_WANT_STATS) != 0;
    q.scaled_decode = gp_opt_bool(o, "data.scaled_decode");
    q.skip_bad = gp_opt_bool(o, "data.skip_bad");
    q.cache_dir = cache_dir;
    q.cache_bytes = (size_t)gp_opt_int(o, "test.cache_mib") << 20;
    gp_features_by(&q, l);
    return gp_features_get(&t->features, &q, w, err);
}

void gp_testset_close(gp_testset *t)
{
    gp_features_free(&t->features);
}

/* Where the images of a label set stand in the list; both are in the same order and share their path strings. */
static size_t locate(uint32_t *row, uint32_t *label, const gp_testset *t, const gp_item *item, size_t n_items)
{
    size_t n = 0;
    for (size_t i = 0, j = 0; i < t->n && j < n_items; i++) {
        if (t->item[i].path != item[j].path) continue;
        if (!t->features->bad[i]) {
            row[n] = (uint32_t)i;
            label[n++] = item[j].label;
        }
        j++;
    }
    return n;
}

typedef struct buffers {
    uint32_t *row, *label;
    float *feat, *mu, *sigma;
    gp_real *logits;
} buffers;

static void buffers_free(buffers *b)
{
    free(b->row);
    free(b->label);
    free(b->feat);
    free(b->mu);
    free(b->sigma);
    free(b->logits);
}

static gopro_status buffers_make(buffers *b, const gp_features *f, size_t n, size_t batch, size_t K, bool stats, gopro_error *err)
{
    size_t per = f->layers * f->width;
    b->row = malloc((n + 1) * sizeof *b->row);
    b->label = malloc((n + 1) * sizeof *b->label);
    b->feat = malloc(batch * f->embed * sizeof *b->feat);
    b->logits = malloc(batch * K * sizeof *b->logits);
    bool ok = b->row && b->label && b->feat && b->logits;
    if (stats) {
        b->mu = malloc(batch * per * sizeof *b->mu);
        b->sigma = malloc(batch * per * sizeof *b->sigma);
        ok = ok && b->mu && b->sigma;
    }
    return ok ? GOPRO_OK : gp_fail_nomem(err, batch * (K + f->embed + 2 * per) * sizeof(float), "a test batch");
}

static void gather(const buffers *b, const gp_features *f, size_t first, size_t n)
{
    size_t per = f->layers * f->width;
    for (size_t i = 0; i < n; i++) {
        size_t r = b->row[first + i];
        memcpy(b->feat + i * f->embed, f->feat[r], f->embed * sizeof(float));
        if (!b->mu) continue;
        memcpy(b->mu + i * per, f->mu[r], per * sizeof(float));
        memcpy(b->sigma + i * per, f->sigma[r], per * sizeof(float));
    }
}

static gopro_status evaluate(gp_metrics *m, gp_learner *l, const gp_testset *t, const gp_labelset *ls, const gp_item *item, size_t n_items,
                             const gp_watch *w, gopro_error *err)
{
    size_t batch = (size_t)gp_opt_int(l->opt, "test.batch");
    gp_classifier *c = NULL;
    buffers b = {0};
    memset(m, 0, sizeof *m);
    gopro_status st = gp_classifier_create(&c, l, ls->class_name, ls->K, gp_dataset_template(t->data), err);
    if (st != GOPRO_OK) return st;
    GP_CHECK(gp_metrics_init(m, ls->K, err));
    GP_CHECK(buffers_make(&b, t->features, n_items, batch, ls->K, gp_classifier_wants_stats(c), err));
    size_t n = locate(b.row, b.label, t, item, n_items);
    double t0 = gp_seconds();
    for (size_t i = 0; i < n; i += batch) {
        size_t k = gp_min_size(batch, n - i);
        if (w && gp_cancelled(&w->log)) {
            st = gp_fail(err, GOPRO_E_CANCELLED, "interrupted while testing");
            goto out;
        }
        gather(&b, t->features, i, k);
        GP_CHECK(gp_classifier_logits(c, b.logits, b.feat, b.mu, b.sigma, k, err));
        gp_metrics_add(m, b.logits, b.label + i, k);
        gp_progress p = {.what = "test", .done = i + k, .total = n};
        gp_watch_tell(w, &p, t0, i + k, i + k);
    }
    if (n == 0)
        st = gp_fail(err, GOPRO_E_DATA, "'%s' has no images to test these classes on", t->data->root);
    else
        st = gp_clip_check(l->bb->weights, err);
out:
    if (st != GOPRO_OK) gp_metrics_free(m);
    buffers_free(&b);
    gp_classifier_free(&c);
    return st;
}

gopro_status gp_evaluate(gp_metrics *m, gp_learner *l, const gp_testset *t, const gp_labelset *ls, const gp_watch *w, gopro_error *err)
{
    return evaluate(m, l, t, ls, ls->test, ls->n_test, w, err);
}

gopro_status gp_evaluate_val(gp_metrics *m, gp_learner *l, const gp_testset *t, const gp_labelset *ls, const gp_watch *w, gopro_error *err)
{
    return evaluate(m, l, t, ls, ls->val, ls->n_val, w, err);
}
