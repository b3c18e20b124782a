/* clip_export.c - the canonical form of a checkpoint: what it was made from, and hashes that make loading it quick and safe.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "weights/clip_internal.h"

enum { SAMPLE = 1024, CHUNK = 4096 };

/* The type a tensor is stored as; the one scalar keeps its precision. */
static gp_dtype stored_as(gp_dtype dtype, size_t rank)
{
    return rank == 0 ? GP_DT_F32 : dtype;
}

/* n numbers in the bytes of their stored type. */
static size_t to_bytes(uint8_t *out, const gp_real *p, size_t n, gp_dtype dtype)
{
    for (size_t i = 0; i < n; i++) {
        float f = (float)p[i];
        if (dtype == GP_DT_F32) {
            memcpy(out + i * sizeof f, &f, sizeof f);
        } else {
            uint16_t h = dtype == GP_DT_F16 ? gp_f32_to_f16(f) : gp_f32_to_bf16(f);
            memcpy(out + i * sizeof h, &h, sizeof h);
        }
    }
    return n * gp_dtype_size(dtype);
}

/* ---- content: how the towers are read, and every number as the float it will be once loaded ---- */

typedef struct content {
    gp_sha256 c;
    gp_dtype dtype;
    const gp_log *log; /* asked whether to stop; may be NULL */
} content;

static gopro_status add_content(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    content *x = user;
    gp_dtype dtype = stored_as(x->dtype, rank);
    float f[CHUNK];
    size_t count = 1;
    if (gp_cancelled(x->log)) return gp_fail(err, GOPRO_E_CANCELLED, "interrupted; nothing was written");
    gp_sha256_add(&x->c, name, strlen(name) + 1);
    for (size_t i = 0; i < rank; i++) {
        uint64_t d = shape[i];
        gp_sha256_add(&x->c, &d, sizeof d);
        count *= shape[i];
    }
    for (size_t i = 0; i < count; i += CHUNK) {
        size_t n = gp_min_size(CHUNK, count - i);
        for (size_t k = 0; k < n; k++) {
            float v = (float)data[i + k];
            f[k] = dtype == GP_DT_F16 ? gp_f16_to_f32(gp_f32_to_f16(v)) : dtype == GP_DT_BF16 ? gp_bf16_to_f32(gp_f32_to_bf16(v)) : v;
        }
        gp_sha256_add(&x->c, f, n * sizeof *f);
    }
    return GOPRO_OK;
}

/* a: how the towers are read. */
void gp_clip_reading(char out[GP_CLIP_READING], const gp_clip_arch *a)
{
    snprintf(out, GP_CLIP_READING, "v %zu %d %.9g t %zu %d %.9g image %zu %zu %d %.9g %.9g %.9g %.9g %.9g %.9g tokens %u %u", a->v.heads,
             (int)a->v.act, a->v.eps, a->t.heads, (int)a->t.act, a->t.eps, a->image, a->resize, a->bilinear, (double)a->mean[0],
             (double)a->mean[1], (double)a->mean[2], (double)a->std[0], (double)a->std[1], (double)a->std[2], a->sot, a->eot);
    for (char *s = out; *s; s++)
        if (*s == ',') *s = '.'; /* where the host's locale has it in numbers */
}

static gopro_status content_hash(char out[65], gp_clip_weights *w, const gp_clip_arch *a, gp_dtype dtype, const gp_log *log,
                                 gopro_error *err)
{
    content x = {.dtype = dtype, .log = log};
    char line[GP_CLIP_READING];
    gp_clip_reading(line, a);
    gp_sha256_init(&x.c);
    gp_sha256_add(&x.c, line, strlen(line) + 1);
    GP_TRY(gp_clip_visit(w, add_content, &x, err));
    gp_sha256_hex(&x.c, out);
    return GOPRO_OK;
}

gopro_status gp_clip_verify(gp_clip_weights *w, gopro_error *err)
{
    char now[65];
    const char *recorded = w->found.recorded;
    if (!recorded[0]) return gp_fail(err, GOPRO_E_WEIGHTS, "%s: carries no content hash; it was not made by `gopro import`", w->path);
    GP_TRY(content_hash(now, w, &w->own_arch, GP_DT_F32, NULL, err));
    if (strcmp(now, recorded) == 0) return GOPRO_OK;
    return gp_fail(err, GOPRO_E_WEIGHTS, "%s: its contents have the hash %s, recorded is %s; import it again", w->path, now, recorded);
}

gopro_status gp_clip_is(bool *is, gp_clip_weights *w, const char *hash, gopro_error *err)
{
    char now[65];
    *is = strcmp(hash, w->hash) == 0 || (w->found.canonical && strcmp(hash, w->found.source_hash) == 0);
    if (*is || w->found.canonical) return GOPRO_OK;
    GP_TRY(
        content_hash(now, w, &w->arch, GP_DT_F32, NULL, err)); /* the hash there is of files: do they hold what was imported from others? */
    gp_clip_drop_pages(w);
    *is = strcmp(hash, now) == 0;
    return GOPRO_OK;
}

/* ---- samples: the beginning, middle and end of every tensor, in the order of names ---- */

static void add_sample(gp_sha256 *c, const char *name, gp_dtype dtype, uint64_t count)
{
    gp_sha256_add(c, name, strlen(name) + 1);
    gp_sha256_add(c, gp_dtype_name(dtype), strlen(gp_dtype_name(dtype)) + 1);
    gp_sha256_add(c, &count, sizeof count);
}

static size_t sample_at(size_t count, size_t n, int part)
{
    return part == 0 ? 0 : part == 1 ? (count - n) / 2 : count - n;
}

void gp_clip_sample_hash(char out[65], const gp_tensors *t)
{
    gp_sha256 c;
    gp_sha256_init(&c);
    for (size_t i = 0; i < t->n; i++) {
        const gp_tensor *x = &t->v[i];
        size_t n = gp_min_size(x->count, SAMPLE), size = gp_dtype_size(x->dtype);
        add_sample(&c, x->name, x->dtype, x->count);
        for (int k = 0; k < 3; k++) gp_sha256_add(&c, x->data + sample_at(x->count, n, k) * size, n * size);
    }
    gp_sha256_hex(&c, out);
}

typedef struct named {
    char name[128];
    const gp_real *data;
    size_t count, rank;
} named;

typedef struct gather {
    named *v;
    size_t n;
} gather;

static gopro_status gather_tensor(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    gather *g = user;
    (void)err;
    named x = {.data = data, .count = 1, .rank = rank};
    snprintf(x.name, sizeof x.name, "%s", name);
    for (size_t i = 0; i < rank; i++) x.count *= shape[i];
    if (g->v) g->v[g->n] = x;
    g->n++;
    return GOPRO_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static gopro_status samples_to_be(char out[65], gp_clip_weights *w, gp_dtype dtype, gopro_error *err)
{
    gather g = {0};
    uint8_t bytes[SAMPLE * sizeof(float)];
    gp_sha256 c;
    GP_TRY(gp_clip_visit(w, gather_tensor, &g, err));
    g.v = calloc(g.n, sizeof *g.v);
    if (!g.v) return gp_fail_nomem(err, g.n * sizeof *g.v, "a list of tensors");
    g.n = 0;
    (void)gp_clip_visit(w, gather_tensor, &g, NULL);
    qsort(g.v, g.n, sizeof *g.v, by_name);
    gp_sha256_init(&c);
    for (size_t i = 0; i < g.n; i++) {
        const named *x = &g.v[i];
        gp_dtype as = stored_as(dtype, x->rank);
        size_t n = gp_min_size(x->count, SAMPLE);
        add_sample(&c, x->name, as, x->count);
        for (int k = 0; k < 3; k++) gp_sha256_add(&c, bytes, to_bytes(bytes, x->data + sample_at(x->count, n, k), n, as));
    }
    gp_sha256_hex(&c, out);
    free(g.v);
    return GOPRO_OK;
}

/* ---- writing ---- */

static gopro_status count_tensor(void *user, const char *name, gp_real *data, const size_t *shape, size_t rank, gopro_error *err)
{
    size_t *total = user, n = 1;
    (void)name;
    (void)data;
    (void)err;
    for (size_t i = 0; i < rank; i++) n *= shape[i];
    *total += n;
    return GOPRO_OK;
}

size_t gp_clip_count(gp_clip_weights *w)
{
    size_t n = 0;
    (void)gp_clip_visit(w, count_tensor, &n, NULL);
    return n;
}

gopro_status gp_clip_export(gp_clip_weights *w, const char *folder, int dtype, char hash[65], const gp_log *log, gopro_error *err)
{
    char samples[65], exact[65];
    const gp_clip_found *f = &w->found;
    if (dtype != GP_DT_F32 && dtype != GP_DT_F16 && dtype != GP_DT_BF16)
        return gp_fail(err, GOPRO_E_INVALID, "an imported checkpoint is stored as F32, F16 or BF16");
    GP_TRY(content_hash(hash, w, &w->arch, (gp_dtype)dtype, log, err));
    GP_TRY(samples_to_be(samples, w, (gp_dtype)dtype, err));
    if (dtype == GP_DT_F32)
        memcpy(exact, hash, sizeof exact);
    else
        GP_TRY(content_hash(exact, w, &w->arch, GP_DT_F32, log, err));
    bool rounded = strcmp(exact, hash) != 0; /* to other numbers than the source's */
    char reading[GP_CLIP_READING];
    gp_clip_reading(reading, &w->arch);
    const char *meta[] = {"gopro.format",
                          f->format,
                          "gopro.activation",
                          f->activation,
                          "gopro.source",
                          f->sources,
                          "gopro.source_sha256",
                          f->sources_sha,
                          "gopro.source_hash",
                          rounded ? "" : w->hash,
                          "gopro.conversions",
                          f->conversions,
                          "gopro.reading",
                          reading,
                          "gopro.version",
                          gopro_version(),
                          "gopro.content_sha256",
                          hash,
                          "gopro.samples_sha256",
                          samples,
                          NULL};
    return gp_clip_save_side_by_side(w, folder, dtype, meta, err);
}
