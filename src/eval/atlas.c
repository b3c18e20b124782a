/* atlas.c - see atlas.h: choosing the images, embedding them run by run, t-SNE and silhouettes.
 * SPDX-License-Identifier: Apache-2.0 */
#include "eval/atlas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "base/str.h"
#include "eval/evaluate.h"
#include "train/embed.h"
#include "train/prompt_file.h"
#include "train/rundir.h"

typedef struct work {
    const gp_atlas_request *q;
    const gp_watch *w;
    gp_atlas *m;
    gp_dataset *data;
    gp_labelset labels;
    gp_item *item; /* [m->n] the chosen images */
    gp_backbone *bb;
    const gp_atlas_source *loaded; /* the source that bb is of */
} work;

void gp_atlas_free(gp_atlas **m)
{
    if (!m || !*m) return;
    gp_atlas *x = *m;
    for (size_t k = 0; x->class_name && k < x->K; k++) free(x->class_name[k]);
    for (size_t i = 0; x->image && i < x->n; i++) free(x->image[i]);
    for (size_t r = 0; x->run && r < x->n_runs; r++) {
        free(x->run[r].title);
        free(x->run[r].run);
        free(x->run[r].method);
        free(x->run[r].backbone);
        free(x->run[r].y);
    }
    free(x->class_name);
    free(x->image);
    free(x->label);
    free(x->run);
    free(x->dataset);
    free(x->subset);
    free(x);
    *m = NULL;
}

static int ascending(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The images shown: all, or a seeded draw, in the dataset's order. */
static gopro_status choose(work *x, gopro_error *err)
{
    gp_atlas *m = x->m;
    size_t n = x->labels.n_test;
    uint32_t *index = malloc((n + 1) * sizeof *index);
    m->available = n;
    m->n = gp_min_size(n, x->q->points);
    x->item = malloc((m->n + 1) * sizeof *x->item);
    if (!index || !x->item) {
        free(index);
        return gp_fail_nomem(err, n * sizeof *x->item, "the chosen images");
    }
    for (size_t i = 0; i < n; i++) index[i] = (uint32_t)i;
    gp_rng r = gp_rng_make((uint64_t)gp_opt_int(x->q->opt, "seed"), GP_RNG_TSNE, 1, 0);
    if (m->n < n) {
        gp_rng_shuffle(&r, index, n);
        qsort(index, m->n, sizeof *index, ascending);
    }
    for (size_t i = 0; i < m->n; i++) x->item[i] = x->labels.test[index[i]];
    free(index);
    return GOPRO_OK;
}

static bool same_value(const gp_options *a, const gp_options *b, size_t i)
{
    char *u = gp_option_text(a, i), *v = gp_option_text(b, i);
    const bool same = u && v && strcmp(u, v) == 0;
    free(u);
    free(v);
    return same;
}

/* One folder may be read in two ways. */
static bool same_model(const gp_atlas_source *a, const gp_atlas_source *b)
{
    bool same = strcmp(a->model, b->model) == 0;
    for (size_t i = 0; same && i < gp_n_opts; i++)
        if (strcmp(gp_opts[i].name, "precision") == 0 || strncmp(gp_opts[i].name, "model.", 6) == 0) same = same_value(a->opt, b->opt, i);
    return same;
}

static gopro_status load_model(work *x, const gp_atlas_source *s, gopro_error *err)
{
    if (x->loaded && same_model(x->loaded, s)) return GOPRO_OK;
    gp_backbone_free(&x->bb);
    x->loaded = NULL;
    GP_TRY(gp_backbone_load(&x->bb, s->model, s->opt, err));
    x->loaded = s;
    return GOPRO_OK;
}

static gopro_status features(gp_features **f, const work *x, const gp_atlas_source *s, gp_learner *l, bool stats, gopro_error *err)
{
    const gp_atlas_request *q = x->q;
    gp_features_request r = {.model = x->bb->model, .precision = x->bb->precision, .root = x->data->root, .item = x->item, .n = x->m->n};
    r.stats = stats;
    r.scaled_decode = gp_opt_bool(s->opt, "data.scaled_decode");
    r.skip_bad = gp_opt_bool(q->opt, "data.skip_bad");
    r.cache_dir = q->cache;
    r.cache_bytes = (size_t)gp_opt_int(q->opt, "test.cache_mib") << 20;
    gp_features_by(&r, l);
    return gp_features_get(f, &r, x->w, err);
}

/* Images that cannot be read are left out of every run; the first run to meet them says so. */
static void drop_bad(work *x, const gp_features *f)
{
    size_t k = 0;
    for (size_t i = 0; i < x->m->n; i++)
        if (!f->bad[i]) x->item[k++] = x->item[i];
    x->m->n = k;
}

/* out [n, embed] of images first .. first+n-1 of the list; buf: of n rows */
static gopro_status embed_batch(gp_learner *l, float *out, const gp_features *f, size_t first, size_t n, float *buf, gopro_error *err)
{
    size_t E = f->embed, per = f->layers * f->width;
    float *feat = buf, *mu = f->mu ? feat + n * E : NULL, *sigma = mu ? mu + n * per : NULL;
    for (size_t i = 0; i < n; i++) {
        memcpy(feat + i * E, f->feat[first + i], E * sizeof *feat);
        if (mu) memcpy(mu + i * per, f->mu[first + i], per * sizeof *mu);
        if (mu) memcpy(sigma + i * per, f->sigma[first + i], per * sizeof *sigma);
    }
    if (!l) {
        gp_normalise_rows(out, feat, n, E);
        return GOPRO_OK;
    }
    return gp_learner_embed(l, out, feat, mu, sigma, n, err);
}

static gopro_status embed_all(work *x, const gp_atlas_source *s, gp_learner *l, float **out, size_t *embed, gopro_error *err)
{
    bool stats = l && (l->method->wants & GP_WANT_STATS) != 0;
    size_t batch = (size_t)gp_opt_int(x->q->opt, "test.batch");
    gp_features *f = NULL;
    float *buf = NULL;
    gopro_status st = features(&f, x, s, l, stats, err);
    if (st == GOPRO_OK && f->n_bad > 0) {
        drop_bad(x, f);
        gp_features_free(&f);
        st = features(&f, x, s, l, stats, err);
    }
    if (st != GOPRO_OK) return st;
    *embed = f->embed;
    *out = malloc((f->n + 1) * f->embed * sizeof **out);
    buf = malloc(batch * (f->embed + (stats ? 2 * f->layers * f->width : 0)) * sizeof *buf);
    if (!*out || !buf) st = gp_fail_nomem(err, (f->n + batch) * f->embed * sizeof *buf, "image embeddings");
    for (size_t i = 0; st == GOPRO_OK && i < f->n; i += batch)
        st = embed_batch(l, *out + i * f->embed, f, i, gp_min_size(batch, f->n - i), buf, err);
    free(buf);
    gp_features_free(&f);
    return st;
}

static gopro_status measure(work *x, gp_atlas_run *r, const float *v, const uint32_t *label, size_t E, gopro_error *err)
{
    size_t n = x->m->n;
    gp_pool *pool = x->bb->compute->pool;
    double *d = malloc((n * E + 1) * sizeof *d);
    r->y = calloc(2 * n + 1, sizeof *r->y);
    gopro_status st = d && r->y ? GOPRO_OK : gp_fail_nomem(err, n * E * sizeof *d, "image embeddings");
    for (size_t i = 0; st == GOPRO_OK && i < n * E; i++) d[i] = (double)v[i];
    if (st == GOPRO_OK) st = gp_silhouette(&r->silhouette, d, n, E, label, pool, err);
    if (st == GOPRO_OK) st = gp_tsne(r->y, &r->kl, v, n, E, &x->m->tsne, pool, x->w, err);
    if (st == GOPRO_OK) st = gp_silhouette(&r->silhouette_plane, r->y, n, 2, label, pool, err);
    free(d);
    return st;
}

static gopro_status open_learner(gp_learner **l, const work *x, const gp_atlas_source *s, gopro_error *err)
{
    gp_prompt_info info = {0};
    char *path = gp_path_join(s->run, "prompt.safetensors");
    if (!path) return gp_fail_nomem(err, 0, "a path");
    gopro_status st = gp_path_exists(path)
                          ? gp_prompt_read(l, &info, x->bb, path, err)
                          : gp_fail(err, GOPRO_E_WEIGHTS, "'%s' is not a finished run: it holds no prompt.safetensors", s->run);
    gp_prompt_info_free(&info);
    free(path);
    return st;
}

static gopro_status one_run(work *x, size_t at, gopro_error *err)
{
    const gp_atlas_source *s = &x->q->source[at];
    gp_atlas_run *r = &x->m->run[at];
    gp_learner *l = NULL;
    float *v = NULL;
    uint32_t *label = NULL;
    size_t E = 0;
    gopro_status st;
    GP_CHECK(load_model(x, s, err));
    if (s->run) GP_CHECK(open_learner(&l, x, s, err));
    const gp_method *method = l ? l->method : gp_method_find("zeroshot");
    r->title = gp_strdup(method->title);
    r->method = gp_strdup(method->name);
    r->run = gp_strdup(s->run ? s->run : "");
    r->backbone = gp_strdup(x->bb->weights->hash);
    if (!r->title || !r->run || !r->method || !r->backbone) {
        st = gp_fail_nomem(err, 0, "a title");
        goto out;
    }
    if (x->w) gp_logf(&x->w->log, GP_LOG_INFO, "%s%s%s", r->title, s->run ? ": " : "", r->run);
    GP_CHECK(embed_all(x, s, l, &v, &E, err));
    label = malloc((x->m->n + 1) * sizeof *label);
    if (!label) {
        st = gp_fail_nomem(err, x->m->n * sizeof *label, "labels");
        goto out;
    }
    for (size_t i = 0; i < x->m->n; i++) label[i] = x->item[i].label;
    st = measure(x, r, v, label, E, err);
out:
    free(v);
    free(label);
    gp_learner_free(&l);
    return st;
}

/* Runs of the same method are told apart by their folders. */
static gopro_status tell_apart(gp_atlas *m, gopro_error *err)
{
    bool *twin = calloc(m->n_runs + 1, sizeof *twin);
    if (!twin) return gp_fail_nomem(err, m->n_runs, "titles");
    for (size_t a = 0; a < m->n_runs; a++)
        for (size_t b = 0; b < m->n_runs; b++) twin[a] = twin[a] || (a != b && strcmp(m->run[a].title, m->run[b].title) == 0);
    gopro_status st = GOPRO_OK;
    for (size_t a = 0; a < m->n_runs && st == GOPRO_OK; a++) {
        if (!twin[a] || !m->run[a].run[0]) continue;
        size_t len = strlen(m->run[a].run);
        char *title = gp_sprintf("%s · %s%s", m->run[a].title, len > 28 ? "…" : "", m->run[a].run + (len > 28 ? len - 27 : 0));
        if (title) {
            free(m->run[a].title);
            m->run[a].title = title;
        } else {
            st = gp_fail_nomem(err, len, "titles");
        }
    }
    free(twin);
    return st;
}

static gopro_status keep_names(work *x, gopro_error *err)
{
    gp_atlas *m = x->m;
    m->K = x->labels.K;
    m->dataset = gp_strdup(x->data->name);
    m->subset = gp_strdup(gp_subset_name(x->q->subset));
    m->class_name = calloc(m->K + 1, sizeof *m->class_name);
    m->image = calloc(m->n + 1, sizeof *m->image);
    m->label = calloc(m->n + 1, sizeof *m->label);
    bool ok = m->dataset && m->subset && m->class_name && m->image && m->label;
    for (size_t k = 0; ok && k < m->K; k++) ok = (m->class_name[k] = gp_strdup(x->labels.class_name[k])) != NULL;
    for (size_t i = 0; ok && i < m->n; i++) {
        ok = (m->image[i] = gp_strdup(x->item[i].path)) != NULL;
        m->label[i] = x->item[i].label;
    }
    return ok ? GOPRO_OK : gp_fail_nomem(err, m->n * sizeof *m->image, "names of images");
}

gopro_status gp_atlas_make(gp_atlas **out, const gp_atlas_request *q, const gp_watch *w, gopro_error *err)
{
    work x = {.q = q, .w = w};
    gopro_status st;
    *out = NULL;
    x.m = calloc(1, sizeof *x.m);
    if (!x.m || !(x.m->run = calloc(q->n_sources + 1, sizeof *x.m->run))) {
        st = gp_fail_nomem(err, sizeof *x.m, "the figure");
        goto out;
    }
    x.m->n_runs = q->n_sources;
    x.m->tsne = q->tsne;
    x.m->tsne.seed = (uint64_t)gp_opt_int(q->opt, "seed");
    const gp_data_rules rules = gp_data_rules_of(q->opt);
    GP_CHECK(gp_dataset_open(&x.data, q->data, &rules, w ? &w->log : NULL, err));
    GP_CHECK(gp_labelset_make(&x.labels, x.data, NULL, q->subset, err));
    GP_CHECK(choose(&x, err));
    for (size_t r = 0; r < q->n_sources; r++) GP_CHECK(one_run(&x, r, err));
    GP_CHECK(tell_apart(x.m, err));
    GP_CHECK(keep_names(&x, err));
    x.m->perplexity = fmin(q->tsne.perplexity, (double)(x.m->n - 1) / 3.0);
    if (x.m->perplexity < q->tsne.perplexity && w)
        gp_logf(&w->log, GP_LOG_WARN, "%zu images are few for a perplexity of %g; %.3g was taken", x.m->n, q->tsne.perplexity,
                x.m->perplexity);
out:
    gp_backbone_free(&x.bb);
    gp_labelset_free(&x.labels);
    gp_dataset_free(&x.data);
    free(x.item);
    if (st == GOPRO_OK)
        *out = x.m;
    else
        gp_atlas_free(&x.m);
    return st;
}
