/* tensors.c - see tensors.h: which files a folder offers, shards, and the set of tensors they make.
 * SPDX-License-Identifier: Apache-2.0 */
#include "weights/tensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "weights/shards.h"
#include "weights/zip.h"

enum { MAX_TENSORS = 1 << 20, MAX_CONFIG_BYTES = 16 << 20 };

typedef struct torch_file {
    gp_map map;
    const char *path; /* one of gp_tensors.file */
} torch_file;

typedef struct owned {
    torch_file *torch;
    size_t n_torch;
    gp_safetensors **st;
    size_t n_st;
    void **buffer;
    size_t n_buffer, cap_buffer;
} owned;

gopro_status gp_tensors_create(gp_tensors **t, gopro_error *err)
{
    *t = calloc(1, sizeof **t);
    if (*t) (*t)->own = calloc(1, sizeof(owned));
    if (*t && (*t)->own) return GOPRO_OK;
    free(*t);
    *t = NULL;
    return gp_fail_nomem(err, sizeof **t, "a list of tensors");
}

void gp_tensors_close(gp_tensors **pt)
{
    if (!pt || !*pt) return;
    gp_tensors *t = *pt;
    owned *o = t->own;
    for (size_t i = 0; i < o->n_st; i++) gp_safetensors_close(&o->st[i]);
    for (size_t i = 0; i < o->n_torch; i++) gp_map_close(&o->torch[i].map);
    for (size_t i = 0; i < o->n_buffer; i++) free(o->buffer[i]);
    for (size_t i = 0; i < t->n_file; i++) free(t->file[i]);
    free(o->st);
    free(o->torch);
    free(o->buffer);
    free(o);
    free(t->file);
    free(t->stamp);
    free(t->v);
    free(t);
    *pt = NULL;
}

void gp_tensors_drop_pages(const gp_tensors *t)
{
    const owned *o = t->own;
    for (size_t i = 0; i < o->n_st; i++) gp_safetensors_drop_pages(o->st[i]);
    for (size_t i = 0; i < o->n_torch; i++) gp_map_drop_pages(&o->torch[i].map);
}

gopro_status gp_tensors_check(const gp_tensors *t, gopro_error *err)
{
    for (size_t i = 0; i < t->n_file; i++)
        if (gp_stamp_check(&t->stamp[i], t->file[i], err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_WEIGHTS, "CLIP weights");
    return GOPRO_OK;
}

#define AT_ONCE ((size_t)64 << 20) /* bytes read before their pages are given back */

gopro_status gp_tensors_intact(const gp_tensors *t, gopro_error *err)
{
    const owned *o = t->own;
    for (size_t i = 0; i < o->n_torch; i++) {
        const gp_map *m = &o->torch[i].map;
        gp_zip z;
        size_t read = 0;
        if (!gp_zip_looks_like(m->data, m->size)) continue;
        gopro_status st = gp_zip_open(&z, m->data, m->size, o->torch[i].path, err);
        for (size_t k = 0; st == GOPRO_OK && k < z.n; k++) {
            st = gp_zip_intact(&z.entry[k], o->torch[i].path, err);
            read += z.entry[k].size;
            if (read < AT_ONCE && k + 1 < z.n) continue;
            gp_map_drop_pages(m); /* of a training's file most is not the model */
            read = 0;
        }
        gp_zip_close(&z);
        if (st == GOPRO_E_FORMAT) return gp_fail_in(err, GOPRO_E_WEIGHTS, "CLIP weights");
        GP_TRY(st);
    }
    return GOPRO_OK;
}

void *gp_tensors_buffer(gp_tensors *t, size_t bytes, gopro_error *err)
{
    owned *o = t->own;
    if (o->n_buffer == o->cap_buffer) {
        size_t cap = o->cap_buffer ? 2 * o->cap_buffer : 256;
        void **b = reallocarray(o->buffer, cap, sizeof *b);
        if (!b) {
            gp_fail_nomem(err, cap * sizeof *b, "a list of tensors");
            return NULL;
        }
        o->buffer = b;
        o->cap_buffer = cap;
    }
    void *p = malloc(bytes ? bytes : 1);
    if (!p)
        gp_fail_nomem(err, bytes, "a tensor");
    else
        o->buffer[o->n_buffer++] = p;
    return p;
}

gopro_status gp_tensors_add(gp_tensors *t, const char *name, const gp_tensor *tensor, gopro_error *err)
{
    if (t->n >= MAX_TENSORS) return gp_fail(err, GOPRO_E_FORMAT, "more than %d tensors", (int)MAX_TENSORS);
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 512;
        gp_tensor *v = reallocarray(t->v, cap, sizeof *v);
        if (!v) return gp_fail_nomem(err, cap * sizeof *v, "a list of tensors");
        t->v = v;
        t->cap = cap;
    }
    size_t n = strlen(name) + 1;
    char *copy = gp_tensors_buffer(t, n, err);
    if (!copy) return GOPRO_E_NOMEM;
    memcpy(copy, name, n);
    t->v[t->n] = *tensor;
    t->v[t->n++].name = copy;
    return GOPRO_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const gp_tensor *)a)->name, ((const gp_tensor *)b)->name);
}

gopro_status gp_tensors_sort(gp_tensors *t, const char *label, gopro_error *err)
{
    if (t->n) qsort(t->v, t->n, sizeof *t->v, by_name);
    for (size_t i = 1; i < t->n; i++)
        if (strcmp(t->v[i - 1].name, t->v[i].name) == 0)
            return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s' is there twice", label, t->v[i].name);
    return GOPRO_OK;
}

const gp_tensor *gp_tensors_find(const gp_tensors *t, const char *name)
{
    gp_tensor key = {.name = name};
    return t->n ? bsearch(&key, t->v, t->n, sizeof *t->v, by_name) : NULL;
}

const char *gp_tensors_meta(const gp_tensors *t, const char *key)
{
    const owned *o = t->own;
    return o->n_st == 1 && t->n_file <= 1 ? gp_safetensors_meta(o->st[0], key) : NULL;
}

/* ---- files ---- */

static gopro_status add_safetensors(gp_tensors *t, gp_safetensors *f, gopro_error *err)
{
    owned *o = t->own;
    gp_safetensors **st = reallocarray(o->st, o->n_st + 1, sizeof *st);
    if (!st) {
        gp_safetensors_close(&f);
        return gp_fail_nomem(err, sizeof *st, "a list of files");
    }
    o->st = st;
    st[o->n_st++] = f;
    t->container = "safetensors";
    for (size_t i = 0; i < gp_safetensors_count(f); i++) {
        const gp_tensor *x = gp_safetensors_at(f, i);
        GP_TRY(gp_tensors_add(t, x->name, x, err));
    }
    return GOPRO_OK;
}

static bool is_torch(const uint8_t *data, size_t size)
{
    return gp_zip_looks_like(data, size) || gp_torch_looks_legacy(data, size);
}

static bool ends(const char *name, const char *tail)
{
    size_t n = strlen(name), k = strlen(tail);
    return n > k && strcmp(name + n - k, tail) == 0;
}

static gopro_status note_file(gp_tensors *t, const char *path, const gp_stamp *stamp, gopro_error *err)
{
    char **file = reallocarray(t->file, t->n_file + 1, sizeof *file);
    if (file) t->file = file;
    gp_stamp *stamps = file ? reallocarray(t->stamp, t->n_file + 1, sizeof *stamps) : NULL;
    if (stamps) t->stamp = stamps;
    char *name = stamps ? gp_strdup(path) : NULL;
    if (!name) return gp_fail_nomem(err, strlen(path), "a list of files");
    t->stamp[t->n_file] = *stamp;
    t->file[t->n_file++] = name;
    return GOPRO_OK;
}

/* Takes the mapping over. */
static gopro_status add_map(gp_tensors *t, gp_map *m, const char *path, gopro_error *err)
{
    owned *o = t->own;
    gp_safetensors *f = NULL;
    if (is_torch(m->data, m->size)) {
        torch_file *torch = reallocarray(o->torch, o->n_torch + 1, sizeof *torch);
        if (!torch) return gp_fail_nomem(err, sizeof *torch, "a list of files");
        o->torch = torch;
        torch[o->n_torch++] = (torch_file){*m, t->file[t->n_file - 1]};
        const gp_map mine = *m;
        *m = (gp_map){0};
        return gp_torch_read(t, mine.data, mine.size, path, err);
    }
    static const char pointer[] = "version https://git-lfs";
    if (m->size >= sizeof pointer - 1 && m->size < 4096 && memcmp(m->data, pointer, sizeof pointer - 1) == 0)
        return gp_fail(err, GOPRO_E_FORMAT, "%s: %zu bytes, a pointer of git-lfs instead of the file; fetch it with `git lfs pull`", path,
                       m->size);
    if (ends(path, ".pt") || ends(path, ".pth") || ends(path, ".bin"))
        return gp_fail(
            err, GOPRO_E_FORMAT,
            "%s: begins neither as a PyTorch file nor as the zip archive that PyTorch writes; is it complete, and the file itself "
            "rather than a pointer to it?",
            path);
    GP_TRY(gp_safetensors_open_map(&f, m, path, err));
    return add_safetensors(t, f, err);
}

static gopro_status add_file(gp_tensors *t, const char *path, gopro_error *err)
{
    gp_map m;
    GP_TRY(gp_map_open(&m, path, err));
    gopro_status st = note_file(t, path, &m.stamp, err);
    if (st == GOPRO_OK) st = add_map(t, &m, path, err);
    gp_map_close(&m);
    return st;
}

/* ---- folders ---- */

static const struct {
    const char *name;
    bool index;
} offered[] = {
    {"model.safetensors", false}, {"model.safetensors.index.json", true}, {"open_clip_model.safetensors", false},
    {"pytorch_model.bin", false}, {"pytorch_model.bin.index.json", true}, {"open_clip_pytorch_model.bin", false},
};

bool gp_tensors_standard_name(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < GP_COUNT(offered); i++)
        if (strcmp(name, offered[i].name) == 0) return true;
    /* model.fp16.safetensors: Hugging Face's name of a variant. */
    return (strncmp(name, "model.", 6) == 0 && ends(name, ".safetensors")) ||
           (strncmp(name, "pytorch_model.", 14) == 0 && ends(name, ".bin"));
}

/* A folder without any of the usual names, but with one weights file: *path is that file, NULL if there is none or more than one. */
static gopro_status only_file(char **path, const char *folder, gopro_error *err)
{
    char **names;
    size_t n, found = 0;
    *path = NULL;
    GP_TRY(gp_list_dir(&names, &n, folder, err));
    for (size_t i = 0; i < n; i++) {
        if (!ends(names[i], ".pt") && !ends(names[i], ".pth") && !ends(names[i], ".bin") && !ends(names[i], ".safetensors")) continue;
        free(*path);
        *path = found++ ? NULL : gp_path_join(folder, names[i]);
    }
    gp_list_free(&names, n);
    return GOPRO_OK;
}

/* Links make thousands of shards out of one file. */
static gopro_status check_twice(const gp_tensors *t, const char *index, gopro_error *err)
{
    const gp_stamp *last = &t->stamp[t->n_file - 1];
    for (size_t i = 0; i + 1 < t->n_file; i++)
        if (t->stamp[i].inode == last->inode && t->stamp[i].device == last->device)
            return gp_fail(err, GOPRO_E_FORMAT, "%s: the shards '%s' and '%s' are one file", index, t->file[i], t->file[t->n_file - 1]);
    return GOPRO_OK;
}

static gopro_status add_shards(gp_tensors *t, const char *folder, const char *index, gopro_error *err)
{
    gp_shards s = {0};
    gopro_status st = gp_shards_read(&s, index, err);
    for (size_t i = 0; i < s.n_file && st == GOPRO_OK; i++) {
        char *path = gp_path_join(folder, s.file[i]);
        st = path ? add_file(t, path, err) : gp_fail_nomem(err, strlen(folder), "a path");
        if (st == GOPRO_OK) st = check_twice(t, index, err);
        free(path);
    }
    if (st == GOPRO_OK) st = gp_tensors_sort(t, index, err);
    if (st == GOPRO_OK) st = gp_shards_check(&s, t, index, err);
    gp_shards_free(&s);
    return st;
}

static gopro_status add_index(gp_tensors *t, const char *path, gopro_error *err)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? gp_sprintf("%.*s", (int)(slash - path + (slash == path)), path) : gp_strdup(".");
    gopro_status st = folder ? add_shards(t, folder, path, err) : gp_fail_nomem(err, strlen(path), "a path");
    free(folder);
    return st;
}

/* A folder that serves timm and open_clip alike: model.safetensors is timm's image tower alone, and config.json, which is no CLIPModel's,
 * belongs to it. */
static gopro_status open_clip_only(bool *yes, const char *folder, gopro_error *err)
{
    static const char *const name[] = {"open_clip_config.json", "config.json"};
    char *path[GP_COUNT(name)], *text = NULL;
    size_t size = 0;
    bool there = true;
    gopro_status st = GOPRO_OK;
    *yes = false;
    for (size_t i = 0; i < GP_COUNT(name); i++) {
        path[i] = gp_path_join(folder, name[i]);
        if (!path[i]) st = gp_fail_nomem(err, strlen(folder), "a path");
        there = there && path[i] && gp_path_exists(path[i]);
    }
    if (st == GOPRO_OK && there) st = gp_read_file(&text, &size, path[1], MAX_CONFIG_BYTES, err);
    if (text) {
        json_error_t je;
        json_t *o = gp_json_load(text, size, GP_JSON_FEW, &je);
        *yes = json_is_object(o) && !json_object_get(o, "model_type") && json_object_get(o, "architecture");
        json_decref(o);
    }
    free(text);
    for (size_t i = 0; i < GP_COUNT(name); i++) free(path[i]);
    return st;
}

static gopro_status add_folder(gp_tensors *t, const char *folder, gopro_error *err)
{
    bool open_clip;
    t->folder = true;
    GP_TRY(open_clip_only(&open_clip, folder, err));
    for (size_t i = 0; i < GP_COUNT(offered); i++) {
        if (open_clip && strncmp(offered[i].name, "open_clip", 9) != 0) continue;
        char *path = gp_path_join(folder, offered[i].name);
        if (!path) return gp_fail_nomem(err, strlen(folder), "a path");
        bool there = gp_path_exists(path);
        gopro_status st = GOPRO_OK;
        if (there) st = offered[i].index ? add_shards(t, folder, path, err) : add_file(t, path, err);
        free(path);
        if (there) return st;
    }
    char *only;
    GP_TRY(only_file(&only, folder, err));
    if (only) {
        gopro_status st = add_file(t, only, err);
        free(only);
        return st;
    }
    return gp_fail(err, GOPRO_E_FORMAT,
                   "'%s' holds no model.safetensors, pytorch_model.bin, their index, open_clip_model.safetensors or "
                   "open_clip_pytorch_model.bin; give a folder that holds one, or a weights file (.pt, .bin, .safetensors) itself",
                   folder);
}

gopro_status gp_tensors_open(gp_tensors **out, const char *path, gopro_error *err)
{
    gp_tensors *t = NULL;
    *out = NULL;
    gopro_status st = gp_tensors_create(&t, err);
    if (st == GOPRO_OK)
        st = gp_path_is_dir(path) ? add_folder(t, path, err) : ends(path, ".index.json") ? add_index(t, path, err) : add_file(t, path, err);
    if (st == GOPRO_OK) st = gp_tensors_sort(t, path, err);
    if (st != GOPRO_OK) {
        gp_tensors_close(&t);
        return gp_fail_in(err, GOPRO_E_WEIGHTS, "could not load CLIP weights");
    }
    *out = t;
    return GOPRO_OK;
}

gopro_status gp_tensors_open_memory(gp_tensors **out, const void *data, size_t size, const char *label, gopro_error *err)
{
    gp_tensors *t = NULL;
    gp_safetensors *f = NULL;
    *out = NULL;
    gopro_status st = gp_tensors_create(&t, err);
    if (st == GOPRO_OK && is_torch(data, size)) {
        st = gp_torch_read(t, data, size, label, err);
    } else if (st == GOPRO_OK) {
        st = gp_safetensors_open_memory(&f, data, size, label, err);
        if (st == GOPRO_OK) st = add_safetensors(t, f, err);
    }
    if (st == GOPRO_OK) st = gp_tensors_sort(t, label, err);
    if (st == GOPRO_OK)
        *out = t;
    else
        gp_tensors_close(&t);
    return st;
}
