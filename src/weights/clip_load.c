/* clip_load.c - a checkpoint's tensors to arrays: used where they lie in the mapping when possible, converted otherwise.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "weights/clip_internal.h"

typedef struct load {
    gp_clip_weights *w;
    const gp_tensors *t;
    const char *file;
    bool *used;   /* per tensor of t */
    bool trusted; /* numbers were checked when the file was made */
} load;

static void print_shape(char *out, size_t cap, const size_t *shape, size_t rank)
{
    size_t n = (size_t)snprintf(out, cap, "[");
    for (size_t i = 0; i < rank && n < cap; i++) n += (size_t)snprintf(out + n, cap - n, "%s%zu", i ? ", " : "", shape[i]);
    if (n < cap) snprintf(out + n, cap - n, "]");
}

static bool same_shape(const gp_tensor *t, const gp_clip_slot *s)
{
    if (s->role == GP_ROLE_SCALE) return t->count == 1; /* [] or [1] */
    return t->rank == s->rank && memcmp(t->shape, s->shape, s->rank * sizeof s->shape[0]) == 0;
}

static gopro_status check_tensor(const load *l, const gp_tensor *t, const gp_clip_slot *s, gopro_error *err)
{
    char own[160];
    const char *name = gp_layout_source_name(l->t, s->name, own, sizeof own);
    if (!same_shape(t, s)) {
        char found[200], expected[120];
        print_shape(found, sizeof found, t->shape, t->rank);
        print_shape(expected, sizeof expected, s->shape, s->rank);
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s' has shape %s, expected %s%s", l->file, name, found, expected,
                       name == s->name ? "" : " (as CLIPModel has it)");
    }
    if (t->dtype > GP_DT_BF16)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s' is %s, expected F32, F16, BF16 or F64", l->file, name,
                       gp_dtype_name(t->dtype));
    return GOPRO_OK;
}

static bool usable_in_place(const gp_tensor *t)
{
#ifdef GP_REAL_IS_DOUBLE
    (void)t;
    return false;
#else
    return t->dtype == GP_DT_F32 && (uintptr_t)t->data % _Alignof(gp_real) == 0;
#endif
}

/* Where q stands, if k and v follow it without a gap: then the three are one matrix already. */
static bool side_by_side(const load *l, const gp_tensor *q, const gp_clip_slot *s)
{
    char name[sizeof s->name];
    const uint8_t *at = q->data;
    if (s->offset != 0 || !usable_in_place(q)) return false;
    snprintf(name, sizeof name, "%s", s->name);
    char *letter = strstr(name, ".q_proj.");
    for (int i = 1; letter && i < 3; i++) {
        letter[1] = "qkv"[i];
        const gp_tensor *t = gp_tensors_find(l->t, name);
        at += s->count * sizeof(float);
        if (!t || t->data != at || t->dtype != GP_DT_F32 || !same_shape(t, s)) return false;
    }
    return letter != NULL;
}

static gopro_status convert(load *l, const gp_tensor *t, const gp_clip_slot *s, gopro_error *err)
{
    bool in_place = s->total == s->count ? usable_in_place(t) : side_by_side(l, t, s);
    if (in_place) {
        *s->p = (gp_real *)(uintptr_t)t->data;
        return GOPRO_OK;
    }
    if (*s->p && (const void *)(*s->p + s->offset) == (const void *)t->data) return GOPRO_OK; /* k or v beside q */
    if (!*s->p) *s->p = gp_clip_own(l->w, s->total, err);
    if (!*s->p) return GOPRO_E_NOMEM;
#ifdef GP_REAL_IS_DOUBLE
    return gp_tensor_to_f64(*s->p + s->offset, t, err);
#else
    return gp_tensor_to_f32(*s->p + s->offset, t, err);
#endif
}

static gopro_status check_finite(const load *l, const gp_clip_slot *s, gopro_error *err)
{
    const gp_real *p = *s->p + s->offset;
    enum { LANES = 16 };
    gp_real sum[LANES] = {0}; /* times 0: NaN once a number is not finite */
    size_t i = 0;
    bool bad = false;
    for (; i + LANES <= s->count; i += LANES)
        for (size_t k = 0; k < LANES; k++) sum[k] += p[i + k] * 0;
    for (; i < s->count; i++) sum[0] += p[i] * 0;
    for (size_t k = 0; k < LANES; k++) bad = bad || !isfinite(sum[k]);
    if (!bad) return GOPRO_OK;
    char own[160];
    i = 0;
    while (i + 1 < s->count && isfinite(p[i])) i++;
    return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s': element %zu is not a finite number", l->file,
                   gp_layout_source_name(l->t, s->name, own, sizeof own), i);
}

#define MANY ((size_t)1 << 16) /* numbers of a tensor worth a call to the system */

/* The logarithm of what similarities are multiplied by; published ones lie between 2 and 5. */
static gopro_status check_scale(const load *l, const gp_clip_slot *s, gopro_error *err)
{
    const double v = (double)**s->p;
    if (fabs(v) <= 13.8) return GOPRO_OK; /* below a million times */
    return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s' is %g, expected -13.8 to 13.8: it is a logarithm, 4.6 in published models",
                   l->file, s->name, v);
}

static gopro_status load_slot(void *user, const gp_clip_slot *s, gopro_error *err)
{
    load *l = user;
    char own[160];
    const gp_tensor *t = gp_tensors_find(l->t, s->name);
    if (!t && s->optional) return GOPRO_OK;
    if (!t)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s' is missing", l->file, gp_layout_source_name(l->t, s->name, own, sizeof own));
    l->used[t - l->t->v] = true;
    GP_TRY(check_tensor(l, t, s, err));
    GP_TRY(convert(l, t, s, err));
    if (!l->trusted) GP_TRY(check_finite(l, s, err));
    if (s->role == GP_ROLE_SCALE) GP_TRY(check_scale(l, s, err));
    if (s->count >= MANY) gp_tensors_drop_pages(l->t); /* the file is read again where its numbers are used */
    return GOPRO_OK;
}

static gopro_status check_unknown(const load *l, gopro_error *err)
{
    for (size_t i = 0; i < l->t->n; i++) {
        const char *name = l->t->v[i].name;
        char own[160];
        if (!l->used[i] && !gp_layout_ignored(l->t, name))
            return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%.200s' is not part of a CLIP as this library knows it", l->file,
                           gp_layout_source_name(l->t, name, own, sizeof own));
    }
    return GOPRO_OK;
}

/* ---- where it came from ---- */

#define HASH_PART ((size_t)16 << 20)

/* stamp: of the file when its numbers were read; the hash of another would be wrong for good. */
static gopro_status hash_file(char out[65], const char *file, const gp_stamp *stamp, gopro_error *err)
{
    gp_map m;
    gp_sha256 c;
    GP_TRY(gp_map_open(&m, file, err));
    if (!gp_stamp_same(stamp, &m.stamp)) {
        gp_map_close(&m);
        return gp_fail(err, GOPRO_E_WEIGHTS, "'%s' was changed or replaced while it was read; start again when nothing writes to it", file);
    }
    gp_sha256_init(&c);
    for (size_t at = 0; at < m.size; at += HASH_PART) {
        gp_sha256_add(&c, (const char *)m.data + at, gp_min_size(HASH_PART, m.size - at));
        gp_map_drop_pages(&m); /* a file that is read once need not count as memory in use */
    }
    gp_sha256_hex(&c, out);
    gp_map_close(&m);
    return GOPRO_OK;
}

/* One file: its hash; several: the hash of their hashes. */
static gopro_status hash_files(gp_clip_weights *w, const gp_tensors *t, gopro_error *err)
{
    gp_sha256 all;
    gp_sha256_init(&all);
    for (size_t i = 0; i < t->n_file; i++) {
        const char *slash = strrchr(t->file[i], '/'), *name = slash ? slash + 1 : t->file[i];
        size_t n = strlen(w->found.sources), m = strlen(w->found.sources_sha);
        GP_TRY(hash_file(w->hash, t->file[i], &t->stamp[i], err));
        gp_sha256_add(&all, w->hash, 64);
        snprintf(w->found.sources + n, sizeof w->found.sources - n, "%s%s", n ? "," : "", name);
        snprintf(w->found.sources_sha + m, sizeof w->found.sources_sha - m, "%s%s", m ? "," : "", w->hash);
    }
    if (t->n_file > 1) {
        gp_sha256_hex(&all, w->hash);
        snprintf(w->found.sources_sha, sizeof w->found.sources_sha, "%s", w->hash); /* too many to list */
    }
    gp_plain_text(w->found.sources); /* metadata are UTF-8, file names need not be */
    return GOPRO_OK;
}

/* The same numbers read in another way are another model: a choice that differs from the checkpoint's own reading changes the hash. */
static void fold_choice(gp_clip_weights *w, const gp_clip_arch *own)
{
    const gp_clip_arch *a = &w->arch;
    char line[160];
    gp_sha256 c;
    w->own_arch = *own;
    if (a->v.act == own->v.act && a->t.act == own->t.act && a->v.heads == own->v.heads && a->t.heads == own->t.heads) return;
    int n = snprintf(line, sizeof line, "%s act %d %d heads %zu %zu", w->hash, (int)a->v.act, (int)a->t.act, a->v.heads, a->t.heads);
    gp_sha256_init(&c);
    gp_sha256_add(&c, line, (size_t)n);
    gp_sha256_hex(&c, w->hash);
    w->found.canonical = false;
}

/* What gp_clip_export recorded, if the samples still fit. */
static gopro_status recorded_hash(gp_clip_weights *w, const gp_clip_arch *own, const gp_tensors *t, const char *file, bool *trusted,
                                  gopro_error *err)
{
    char reading[GP_CLIP_READING];
    const char *recorded = gp_tensors_meta(t, "gopro.reading"); /* not in what was imported before there was such a line */
    const char *content = gp_tensors_meta(t, "gopro.content_sha256"), *samples = gp_tensors_meta(t, "gopro.samples_sha256");
    char now[65];
    *trusted = false;
    if (!content || !samples || t->layout != GP_LAYOUT_HF) return GOPRO_OK;
    gp_clip_sample_hash(now, t);
    if (strlen(content) != 64 || strcmp(now, samples) != 0)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: was changed or damaged after it was imported; import it again", file);
    gp_clip_reading(reading, own);
    if (recorded && strcmp(recorded, reading) != 0)
        return gp_fail(err, GOPRO_E_WEIGHTS,
                       "%s: config.json or preprocessor_config.json beside it is not what was imported, so it is another model; put them "
                       "back, or import again",
                       file);
    memcpy(w->hash, content, sizeof w->hash);
    memcpy(w->found.recorded, content, sizeof w->found.recorded);
    const char *source = gp_tensors_meta(t, "gopro.source_hash");
    if (source && strlen(source) == 64) memcpy(w->found.source_hash, source, sizeof w->found.source_hash);
    w->found.canonical = *trusted = true;
    return GOPRO_OK;
}

static void describe(gp_clip_weights *w, const gp_tensors *t)
{
    size_t kinds[GP_DT_BF16 + 1] = {0};
    gp_clip_found *f = &w->found;
    size_t n = 0, cap = sizeof f->conversions;
    for (size_t i = 0; i < t->n; i++)
        if (t->v[i].dtype <= GP_DT_BF16) kinds[t->v[i].dtype]++;
    for (size_t i = 0; i <= GP_DT_BF16 && n < cap; i++)
        if (kinds[i]) n += (size_t)snprintf(f->conversions + n, cap - n, "%s%s", n ? ", " : "stored as ", gp_dtype_name((gp_dtype)i));
    if (t->merged_qkv && n < cap) n += (size_t)snprintf(f->conversions + n, cap - n, "; q, k and v separated");
    if (t->layout != GP_LAYOUT_HF && n < cap) snprintf(f->conversions + n, cap - n, "; projections transposed; names of CLIPModel");
}

/* Takes over *t when it succeeds. */
static gopro_status build(gp_clip_weights **out, gp_tensors **t, const gp_clip_files *files, const gp_clip_choice *choice, gopro_error *err)
{
    gp_clip_arch arch, own;
    gp_clip_found found = {.canonical = false};
    gp_clip_weights *w = NULL;
    gopro_status st;
    load l = {.t = *t, .file = files->weights};
    st = gp_tensors_to_hf(*t, files->weights, err);
    if (st == GOPRO_E_FORMAT) return gp_fail_in(err, GOPRO_E_WEIGHTS, "could not load CLIP weights");
    if (st != GOPRO_OK) return st;
    /* Before the shapes, whose faults would only follow from it. */
    if ((*t)->layout == GP_LAYOUT_HF && files->config) GP_TRY(gp_clip_config_read(NULL, GP_CONFIG_TYPE, files->config, err));
    GP_TRY(gp_clip_arch_read(&arch, &own, &found, *t, files, choice, err));
    GP_TRY(gp_clip_create(&w, &arch, err));
    w->found = found;
    l.w = w;
    l.used = calloc((*t)->n + 1, sizeof *l.used);
    if (!l.used) {
        st = gp_fail_nomem(err, (*t)->n, files->weights);
        goto out;
    }
    GP_CHECK(recorded_hash(w, &own, *t, files->weights, &l.trusted, err));
    GP_CHECK(gp_clip_each(w, load_slot, &l, err));
    GP_CHECK(check_unknown(&l, err));
    if (!l.trusted) GP_CHECK(hash_files(w, *t, err));
    GP_CHECK(gp_tensors_check(*t, err));
    fold_choice(w, &own);
    describe(w, *t);
    snprintf(w->path, sizeof w->path, "%s", files->weights);
    gp_clip_own_file(w, *t);
    *t = NULL;
    *out = w;
    w = NULL;
out:
    free(l.used);
    gp_clip_free(&w);
    return st;
}

/* ---- the files beside it ---- */

/* *p = "folder/name" if it exists, else NULL.  Out of memory must not look like a missing config.json. */
static gopro_status beside(char **p, const char *folder, const char *name, gopro_error *err)
{
    *p = gp_path_join(folder, name);
    if (!*p) return gp_fail_nomem(err, strlen(folder), "a file name");
    if (!gp_path_exists(*p)) {
        free(*p);
        *p = NULL;
    }
    return GOPRO_OK;
}

static gopro_status find_files(gp_clip_files *f, const gp_tensors *t, const char *path, gopro_error *err)
{
    bool folder = gp_path_is_dir(path), one = t->n_file == 1;
    const char *slash = strrchr(path, '/');
    char *in = folder ? gp_strdup(path) : slash ? gp_sprintf("%.*s", (int)(slash - path + (slash == path)), path) : gp_strdup(".");
    f->weights = gp_strdup(one ? t->file[0] : path);
    gopro_status st = in && f->weights ? GOPRO_OK : gp_fail_nomem(err, strlen(path), "a file name");
    /* A single file speaks for itself, except where its kind of checkpoint has its settings beside it by name. */
    if (st == GOPRO_OK && (folder || gp_tensors_standard_name(path))) {
        st = beside(&f->config, in, "config.json", err);
        if (st == GOPRO_OK) st = beside(&f->preprocessor, in, "preprocessor_config.json", err);
        if (st == GOPRO_OK && !f->preprocessor) st = beside(&f->preprocessor, in, "processor_config.json", err);
    }
    if (st == GOPRO_OK) st = beside(&f->open_clip, in, "open_clip_config.json", err);
    free(in);
    return st;
}

gopro_status gp_clip_load_as(gp_clip_weights **w, const char *path, const gp_clip_choice *choice, gopro_error *err)
{
    gp_clip_files files = {0};
    gp_tensors *t = NULL;
    *w = NULL;
    gopro_status st = gp_tensors_open(&t, path, err);
    if (st == GOPRO_OK) st = find_files(&files, t, path, err);
    if (st == GOPRO_OK) st = build(w, &t, &files, choice, err);
    gp_tensors_close(&t);
    free(files.weights);
    free(files.config);
    free(files.preprocessor);
    free(files.open_clip);
    return st;
}

gopro_status gp_clip_load(gp_clip_weights **w, const char *path, gopro_error *err)
{
    return gp_clip_load_as(w, path, NULL, err);
}
