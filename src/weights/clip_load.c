/* clip_load.c - a checkpoint's tensors to arrays: used where they lie in the mapping when possible, converted otherwise.
 * SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "weights/clip_internal.h"

typedef struct load {
    gp_clip_weights *w;
    const gp_safetensors *f;
    const char *file;
    bool *used; /* per tensor of f */
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

static gopro_status check_tensor(const gp_tensor *t, const gp_clip_slot *s, const char *file, gopro_error *err)
{
    if (!same_shape(t, s)) {
        char found[200], expected[120];
        print_shape(found, sizeof found, t->shape, t->rank);
        print_shape(expected, sizeof expected, s->shape, s->rank);
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s' has shape %s, expected %s", file, s->name, found, expected);
    }
    if (t->dtype > GP_DT_BF16)
        return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s' is %s, expected F32, F16, BF16 or F64", file, s->name,
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

static gopro_status check_finite(const gp_real *p, const gp_clip_slot *s, const char *file, gopro_error *err)
{
    for (size_t i = 0; i < s->count; i++) {
        if (!isfinite(p[i])) return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s': element %zu is not a finite number", file, s->name, i);
    }
    return GOPRO_OK;
}

static gopro_status load_slot(void *user, const gp_clip_slot *s, gopro_error *err)
{
    const load *l = user;
    const gp_tensor *t = gp_safetensors_find(l->f, s->name);
    if (!t && s->optional) return GOPRO_OK;
    if (!t) return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%s' is missing", l->file, s->name);
    l->used[t - gp_safetensors_at(l->f, 0)] = true;
    GP_TRY(check_tensor(t, s, l->file, err));
    if (s->total == s->count && usable_in_place(t)) {
        *s->p = (gp_real *)(uintptr_t)t->data;
    } else {
        if (!*s->p) *s->p = gp_clip_own(l->w, s->total, err);
        if (!*s->p) return GOPRO_E_NOMEM;
#ifdef GP_REAL_IS_DOUBLE
        GP_TRY(gp_tensor_to_f64(*s->p + s->offset, t, err));
#else
        GP_TRY(gp_tensor_to_f32(*s->p + s->offset, t, err));
#endif
    }
    return check_finite(*s->p + s->offset, s, l->file, err);
}

static bool ignored(const char *name)
{
    static const char suffix[] = ".position_ids";
    size_t n = strlen(name), k = sizeof suffix - 1;
    return n >= k && strcmp(name + n - k, suffix) == 0;
}

static gopro_status check_unknown(const load *l, gopro_error *err)
{
    for (size_t i = 0; i < gp_safetensors_count(l->f); i++) {
        const char *name = gp_safetensors_at(l->f, i)->name;
        if (!l->used[i] && !ignored(name))
            return gp_fail(err, GOPRO_E_WEIGHTS, "%s: tensor '%.200s' is not part of a CLIP as this library knows it", l->file, name);
    }
    return GOPRO_OK;
}

static gopro_status hash_file(char out[65], const char *file, gopro_error *err)
{
    gp_map m;
    gp_sha256 c;
    GP_TRY(gp_map_open(&m, file, err));
    gp_sha256_init(&c);
    gp_sha256_add(&c, m.data, m.size);
    gp_sha256_hex(&c, out);
    gp_map_close(&m);
    return GOPRO_OK;
}

/* Takes over *f when it succeeds. */
static gopro_status build(gp_clip_weights **out, gp_safetensors **f, const char *file, const char *config, const char *preprocessor,
                          gopro_error *err)
{
    gp_clip_arch arch;
    gp_clip_weights *w = NULL;
    gopro_status st;
    load l = {.f = *f, .file = file};
    GP_TRY(gp_clip_arch_read(&arch, *f, file, config, preprocessor, err));
    GP_TRY(gp_clip_create(&w, &arch, err));
    l.w = w;
    l.used = calloc(gp_safetensors_count(*f) + 1, sizeof *l.used);
    if (!l.used) {
        st = gp_fail_nomem(err, gp_safetensors_count(*f), file);
        goto out;
    }
    GP_CHECK(gp_clip_each(w, load_slot, &l, err));
    GP_CHECK(check_unknown(&l, err));
    GP_CHECK(hash_file(w->hash, file, err));
    snprintf(w->path, sizeof w->path, "%s", file);
    gp_clip_own_file(w, *f);
    *f = NULL;
    *out = w;
    w = NULL;
out:
    free(l.used);
    gp_clip_free(&w);
    return st;
}

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

static gopro_status not_there(const char *folder, gopro_error *err)
{
    static const struct {
        const char *name, *advice;
    } other[] = {
        {"model.safetensors.index.json", "the checkpoint is split over several files; save it as one"},
        {"pytorch_model.bin", "convert pytorch_model.bin to safetensors"},
        {"open_clip_model.safetensors", "convert the checkpoint to Hugging Face CLIPModel names"},
    };
    const char *advice = "give a folder that holds it or a .safetensors file";
    for (size_t i = 0; i < GP_COUNT(other); i++) {
        char *p;
        GP_TRY(beside(&p, folder, other[i].name, err));
        if (p) advice = other[i].advice;
        free(p);
    }
    return gp_fail(err, GOPRO_E_WEIGHTS, "'%s' holds no model.safetensors; %s", folder, advice);
}

gopro_status gp_clip_load(gp_clip_weights **w, const char *path, gopro_error *err)
{
    char *file = NULL, *config = NULL, *preprocessor = NULL;
    gp_safetensors *f = NULL;
    gopro_status st = GOPRO_OK;
    *w = NULL;
    if (gp_path_is_dir(path)) {
        GP_CHECK(beside(&file, path, "model.safetensors", err));
        if (!file) return not_there(path, err);
        GP_CHECK(beside(&config, path, "config.json", err));
        GP_CHECK(beside(&preprocessor, path, "preprocessor_config.json", err));
    }
    st = gp_safetensors_open(&f, file ? file : path, err);
    if (st != GOPRO_OK)
        st = gp_fail_in(err, st == GOPRO_E_NOMEM ? st : GOPRO_E_WEIGHTS, "could not load CLIP weights");
    else
        st = build(w, &f, file ? file : path, config, preprocessor, err);
out:
    gp_safetensors_close(&f);
    free(file);
    free(config);
    free(preprocessor);
    return st;
}
