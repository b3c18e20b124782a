/* safetensors_write.c - writer: tensors in the order they were added, the data starting at a multiple of 64 bytes.
 * SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "weights/safetensors.h"

typedef struct entry {
    gp_dtype dtype;
    size_t count;
    const void *src;
    bool is_double;
} entry;

struct gp_st_writer {
    json_t *meta, *header; /* header without metadata */
    entry *e;
    size_t n, cap, at;   /* at: bytes of data so far */
    gopro_status status; /* the first thing that went wrong */
    char what[300];
};

gp_st_writer *gp_st_writer_create(void)
{
    gp_st_writer *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->meta = json_object();
    w->header = json_object();
    if (!w->meta || !w->header) gp_st_writer_free(&w);
    return w;
}

void gp_st_writer_free(gp_st_writer **w)
{
    if (!w || !*w) return;
    json_decref((*w)->meta);
    json_decref((*w)->header);
    free((*w)->e);
    free(*w);
    *w = NULL;
}

static void fail(gp_st_writer *w, gopro_status st, const char *name, const char *what)
{
    if (w->status != GOPRO_OK) return;
    w->status = st;
    snprintf(w->what, sizeof w->what, "'%.200s': %s", name, what);
}

void gp_st_writer_meta(gp_st_writer *w, const char *key, const char *value)
{
    if (json_object_set_new(w->meta, key, json_string(value)) != 0) fail(w, GOPRO_E_INVALID, key, "metadata is not UTF-8");
}

static bool make_room(gp_st_writer *w)
{
    if (w->n < w->cap) return true;
    size_t cap = w->cap ? 2 * w->cap : 64;
    entry *e = reallocarray(w->e, cap, sizeof *e);
    if (!e) return false;
    w->e = e;
    w->cap = cap;
    return true;
}

void gp_st_writer_add(gp_st_writer *w, const char *name, gp_dtype dtype, const size_t *shape, size_t rank, const void *src, bool is_double)
{
    size_t count = 1, bytes, end;
    bool floating = dtype <= GP_DT_BF16;
    if (rank > GP_MAX_RANK || !(floating || (dtype == GP_DT_I32 && !is_double))) {
        fail(w, GOPRO_E_INVALID, name, "a tensor of this rank or type is not written");
        return;
    }
    json_t *dims = json_array();
    bool fits = true;
    for (size_t i = 0; i < rank; i++) {
        fits = fits && gp_mul_size(&count, count, shape[i]);
        json_array_append_new(dims, json_integer((json_int_t)shape[i]));
    }
    fits = fits && gp_mul_size(&bytes, count, gp_dtype_size(dtype)) && gp_add_size(&end, w->at, bytes) && end <= (size_t)INT64_MAX;
    if (!fits || !make_room(w)) {
        fail(w, fits ? GOPRO_E_NOMEM : GOPRO_E_INVALID, name, fits ? "out of memory" : "its size overflows");
        json_decref(dims);
        return;
    }
    json_t *o =
        json_pack("{s:s, s:o, s:[I, I]}", "dtype", gp_dtype_name(dtype), "shape", dims, "data_offsets", (json_int_t)w->at, (json_int_t)end);
    if (!o) {
        fail(w, GOPRO_E_NOMEM, name, "out of memory");
    } else if (strcmp(name, "__metadata__") == 0 || json_object_get(w->header, name)) {
        fail(w, GOPRO_E_INVALID, name, "a tensor of this name was added before");
        json_decref(o);
    } else if (json_object_set_new(w->header, name, o) != 0) {
        fail(w, GOPRO_E_INVALID, name, "the name is not UTF-8");
    } else {
        w->e[w->n++] = (entry){dtype, count, src, is_double};
        w->at = end;
    }
}

/* n elements from source index i to out, which has room for n * 8 bytes; returns the bytes. */
static size_t convert(uint8_t *out, const entry *e, size_t i, size_t n)
{
    const float *f = e->src;
    const double *d = e->src;
    size_t size = gp_dtype_size(e->dtype);
    for (size_t k = 0; k < n; k++) {
        uint8_t *p = out + k * size;
        if (e->dtype == GP_DT_F64) {
            double v = e->is_double ? d[i + k] : (double)f[i + k];
            memcpy(p, &v, size);
            continue;
        }
        float v = e->is_double ? (float)d[i + k] : f[i + k];
        if (e->dtype == GP_DT_F32) {
            memcpy(p, &v, size);
        } else {
            uint16_t h = e->dtype == GP_DT_F16 ? gp_f32_to_f16(v) : gp_f32_to_bf16(v);
            memcpy(p, &h, size);
        }
    }
    return n * size;
}

static bool write_data(FILE *fp, const entry *e)
{
    enum { CHUNK = 4096 };
    uint8_t buf[CHUNK * 8];
    bool as_is = e->dtype == GP_DT_I32 || (e->dtype == GP_DT_F32 && !e->is_double) || (e->dtype == GP_DT_F64 && e->is_double);
    if (as_is) return e->count == 0 || fwrite(e->src, gp_dtype_size(e->dtype), e->count, fp) == e->count;
    for (size_t i = 0; i < e->count; i += CHUNK) {
        size_t bytes = convert(buf, e, i, gp_min_size(CHUNK, e->count - i));
        if (fwrite(buf, 1, bytes, fp) != bytes) return false;
    }
    return true;
}

/* 8 bytes of length, then the JSON text filled up with spaces so that the data begins at a multiple of 64. */
static gopro_status build_header(gp_str *out, const gp_st_writer *w, gopro_error *err)
{
    json_t *all = json_object();
    int bad = all ? 0 : -1;
    if (json_object_size(w->meta)) bad |= json_object_set(all, "__metadata__", w->meta);
    bad |= json_object_update(all, w->header);
    char *text = bad ? NULL : json_dumps(all, JSON_COMPACT);
    json_decref(all);
    if (!text) return gp_fail_nomem(err, w->n * 128, "a safetensors header");
    size_t n = strlen(text), padded = (n + 8 + 63) / 64 * 64 - 8;
    uint64_t len = padded;
    gp_str_addn(out, (const char *)&len, sizeof len);
    gp_str_addn(out, text, n);
    for (; n < padded; n++) gp_str_addn(out, " ", 1);
    free(text);
    return out->failed ? gp_fail_nomem(err, padded, "a safetensors header") : GOPRO_OK;
}

gopro_status gp_st_writer_commit(gp_st_writer *w, const char *path, gopro_error *err)
{
    if (w->status != GOPRO_OK) return gp_fail(err, w->status, "could not write '%s': %s", path, w->what);
    gp_str header = {0};
    gp_outfile f;
    gopro_status st = build_header(&header, w, err);
    if (st == GOPRO_OK) st = gp_outfile_open(&f, path, err);
    if (st == GOPRO_OK) {
        bool ok = fwrite(header.s, 1, header.len, f.fp) == header.len;
        for (size_t i = 0; i < w->n && ok; i++) ok = write_data(f.fp, &w->e[i]);
        if (ok) {
            st = gp_outfile_commit(&f, err);
        } else {
            st = gp_fail_errno(err, "could not write", path);
            gp_outfile_abort(&f);
        }
    }
    gp_str_free(&header);
    return st;
}
