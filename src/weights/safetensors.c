/* safetensors.c - reader: the header is parsed and every rule of the format checked before any tensor is handed out.
 * SPDX-License-Identifier: Apache-2.0 */
#include "weights/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensor files are little-endian and read in place"
#endif

#define MAX_HEADER 100000000u

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [GP_DT_F64] = {"F64", 8}, [GP_DT_F32] = {"F32", 4}, [GP_DT_F16] = {"F16", 2}, [GP_DT_BF16] = {"BF16", 2}, [GP_DT_I64] = {"I64", 8},
    [GP_DT_I32] = {"I32", 4}, [GP_DT_I16] = {"I16", 2}, [GP_DT_I8] = {"I8", 1},   [GP_DT_U8] = {"U8", 1},     [GP_DT_BOOL] = {"BOOL", 1},
};

struct gp_safetensors {
    gp_map map; /* size 0 when the bytes are borrowed */
    char *label;
    json_t *root; /* owns the names and the metadata */
    const json_t *meta;
    const uint8_t *data;
    size_t data_size, n;
    gp_tensor *tensor;  /* in file order */
    gp_tensor **byname; /* sorted */
};

size_t gp_dtype_size(gp_dtype t)
{
    return dtypes[t].size;
}

const char *gp_dtype_name(gp_dtype t)
{
    return dtypes[t].name;
}

static gopro_status bad(const gp_safetensors *f, const char *name, const char *rule, gopro_error *err)
{
    return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s': %s", f->label, name, rule);
}

static gopro_status parse_dtype(gp_tensor *t, const gp_safetensors *f, const json_t *v, gopro_error *err)
{
    const char *s = json_string_value(v);
    if (!s) return bad(f, t->name, "\"dtype\" is missing or not a string", err);
    for (size_t i = 0; i < GP_COUNT(dtypes); i++) {
        if (strcmp(s, dtypes[i].name) == 0) {
            t->dtype = (gp_dtype)i;
            return GOPRO_OK;
        }
    }
    return gp_fail(err, GOPRO_E_FORMAT,
                   "%s: tensor '%.200s': unknown dtype '%.40s', expected F64, F32, F16, BF16, I64, I32, I16, I8, U8 or BOOL", f->label,
                   t->name, s);
}

static gopro_status parse_shape(gp_tensor *t, const gp_safetensors *f, const json_t *v, gopro_error *err)
{
    if (!json_is_array(v)) return bad(f, t->name, "\"shape\" is missing or not a list", err);
    t->rank = json_array_size(v);
    if (t->rank > GP_MAX_RANK)
        return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s': rank %zu, at most %d", f->label, t->name, t->rank, GP_MAX_RANK);
    t->count = 1;
    for (size_t i = 0; i < t->rank; i++) {
        const json_t *d = json_array_get(v, i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return bad(f, t->name, "\"shape\" holds something other than whole numbers of at least 0", err);
        t->shape[i] = (size_t)json_integer_value(d);
        if (!gp_mul_size(&t->count, t->count, t->shape[i])) return bad(f, t->name, "the product of \"shape\" overflows", err);
    }
    return GOPRO_OK;
}

static gopro_status parse_offsets(gp_tensor *t, const gp_safetensors *f, const json_t *v, gopro_error *err)
{
    if (!json_is_array(v) || json_array_size(v) != 2) return bad(f, t->name, "\"data_offsets\" is missing or not a list of two", err);
    size_t o[2], bytes;
    for (size_t i = 0; i < 2; i++) {
        const json_t *d = json_array_get(v, i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return bad(f, t->name, "\"data_offsets\" holds something other than whole numbers of at least 0", err);
        o[i] = (size_t)json_integer_value(d);
    }
    if (o[0] > o[1]) return bad(f, t->name, "\"data_offsets\" end before they begin", err);
    if (o[1] > f->data_size)
        return gp_fail(err, GOPRO_E_FORMAT,
                       "%s: tensor '%.200s': ends at byte %zu outside the file, which holds %zu bytes of data; is it truncated?", f->label,
                       t->name, o[1], f->data_size);
    if (!gp_mul_size(&bytes, t->count, gp_dtype_size(t->dtype))) return bad(f, t->name, "the product of \"shape\" overflows", err);
    if (bytes != o[1] - o[0])
        return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s': shape and dtype need %zu bytes, the offsets give %zu", f->label, t->name,
                       bytes, o[1] - o[0]);
    t->data = f->data + o[0];
    return GOPRO_OK;
}

static gopro_status parse_tensor(gp_tensor *t, const gp_safetensors *f, const char *name, const json_t *v, gopro_error *err)
{
    t->name = name;
    if (!json_is_object(v)) return bad(f, name, "its entry is not an object", err);
    GP_TRY(parse_dtype(t, f, json_object_get(v, "dtype"), err));
    GP_TRY(parse_shape(t, f, json_object_get(v, "shape"), err));
    GP_TRY(parse_offsets(t, f, json_object_get(v, "data_offsets"), err));
    if (json_object_size(v) != 3) return bad(f, name, "its entry has other keys than dtype, shape and data_offsets", err);
    return GOPRO_OK;
}

static gopro_status check_meta(const gp_safetensors *f, gopro_error *err)
{
    if (!json_is_object(f->meta)) return gp_fail(err, GOPRO_E_FORMAT, "%s: __metadata__ is not an object", f->label);
    /* jansson's iterators take a non-const object but do not change it. */
    json_t *m = json_object_get(f->root, "__metadata__");
    for (void *it = json_object_iter(m); it; it = json_object_iter_next(m, it)) {
        if (!json_is_string(json_object_iter_value(it)))
            return gp_fail(err, GOPRO_E_FORMAT, "%s: __metadata__ entry '%.200s' is not a string", f->label, json_object_iter_key(it));
    }
    return GOPRO_OK;
}

static int by_offset(const void *a, const void *b)
{
    const gp_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    if ((x->count == 0) != (y->count == 0)) return x->count == 0 ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(gp_tensor *const *)a)->name, (*(gp_tensor *const *)b)->name);
}

/* Tensors in file order must follow each other from the first byte of the data to the last. */
static gopro_status check_layout(const gp_safetensors *f, gopro_error *err)
{
    size_t at = 0;
    for (size_t i = 0; i < f->n; i++) {
        const gp_tensor *t = &f->tensor[i];
        size_t begin = (size_t)(t->data - f->data);
        if (begin < at) return bad(f, t->name, "overlaps the tensor before it", err);
        if (begin > at)
            return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s': leaves a hole of %zu bytes before it", f->label, t->name, begin - at);
        at = begin + t->count * gp_dtype_size(t->dtype);
    }
    if (at != f->data_size) return gp_fail(err, GOPRO_E_FORMAT, "%s: %zu bytes after the last tensor", f->label, f->data_size - at);
    return GOPRO_OK;
}

static gopro_status parse_entries(gp_safetensors *f, gopro_error *err)
{
    size_t cap = json_object_size(f->root); /* entries that were really there, so no more than the header is long */
    f->tensor = calloc(cap + 1, sizeof *f->tensor);
    f->byname = calloc(cap + 1, sizeof *f->byname);
    if (!f->tensor || !f->byname) return gp_fail_nomem(err, cap * sizeof *f->tensor, f->label);
    for (void *it = json_object_iter(f->root); it; it = json_object_iter_next(f->root, it)) {
        const char *name = json_object_iter_key(it);
        if (strcmp(name, "__metadata__") == 0) {
            f->meta = json_object_iter_value(it);
            GP_TRY(check_meta(f, err));
        } else {
            GP_TRY(parse_tensor(&f->tensor[f->n], f, name, json_object_iter_value(it), err));
            f->n++;
        }
    }
    qsort(f->tensor, f->n, sizeof *f->tensor, by_offset);
    for (size_t i = 0; i < f->n; i++) f->byname[i] = &f->tensor[i];
    qsort(f->byname, f->n, sizeof *f->byname, by_name);
    return check_layout(f, err);
}

static gopro_status parse(gp_safetensors *f, const uint8_t *data, size_t size, gopro_error *err)
{
    uint64_t len;
    if (size < 8) return gp_fail(err, GOPRO_E_FORMAT, "%s: %zu bytes, too short for a safetensors header length (8 bytes)", f->label, size);
    memcpy(&len, data, 8);
    if (len > MAX_HEADER)
        return gp_fail(err, GOPRO_E_FORMAT, "%s: header length %llu is above the limit of %u bytes; is this a safetensors file?", f->label,
                       (unsigned long long)len, MAX_HEADER);
    if (len > size - 8)
        return gp_fail(err, GOPRO_E_FORMAT, "%s: header length %llu runs past the end of the file (%zu bytes); is it truncated?", f->label,
                       (unsigned long long)len, size);
    f->data = data + 8 + len;
    f->data_size = size - 8 - (size_t)len;
    if (len == 0 || data[8] != '{') return gp_fail(err, GOPRO_E_FORMAT, "%s: the header does not begin with '{'", f->label);
    json_error_t je;
    f->root = gp_json_load((const char *)data + 8, (size_t)len, GP_JSON_MANY, &je);
    if (!f->root) {
        bool duplicate = json_error_code(&je) == json_error_duplicate_key;
        if (json_error_code(&je) == json_error_out_of_memory) return gp_fail_nomem(err, (size_t)len, f->label);
        return gp_fail(err, GOPRO_E_FORMAT, "%s: header%s, line %d, column %d: %s", f->label,
                       duplicate ? " holds a name twice" : " is not JSON", je.line, je.column, je.text);
    }
    if (!json_is_object(f->root)) return gp_fail(err, GOPRO_E_FORMAT, "%s: the header is not a JSON object", f->label);
    return parse_entries(f, err);
}

static gopro_status open_bytes(gp_safetensors **out, gp_map map, const void *data, size_t size, const char *label, gopro_error *err)
{
    *out = NULL;
    gp_safetensors *f = calloc(1, sizeof *f);
    if (!f) {
        gp_map_close(&map);
        return gp_fail_nomem(err, sizeof *f, label);
    }
    f->map = map;
    f->label = gp_strdup(label);
    gopro_status st = f->label ? parse(f, data, size, err) : gp_fail_nomem(err, strlen(label), "a file name");
    if (st != GOPRO_OK)
        gp_safetensors_close(&f);
    else
        *out = f;
    return st;
}

gopro_status gp_safetensors_open(gp_safetensors **f, const char *path, gopro_error *err)
{
    gp_map map;
    *f = NULL;
    GP_TRY(gp_map_open(&map, path, err));
    return gp_safetensors_open_map(f, &map, path, err);
}

gopro_status gp_safetensors_open_map(gp_safetensors **f, gp_map *map, const char *path, gopro_error *err)
{
    const gp_map m = *map;
    *map = (gp_map){0};
    return open_bytes(f, m, m.data, m.size, path, err);
}

gopro_status gp_safetensors_check(const gp_safetensors *f, gopro_error *err)
{
    return f->map.data ? gp_stamp_check(&f->map.stamp, f->label, err) : GOPRO_OK;
}

gopro_status gp_safetensors_open_memory(gp_safetensors **f, const void *data, size_t size, const char *label, gopro_error *err)
{
    return open_bytes(f, (gp_map){0}, data, size, label, err);
}

void gp_safetensors_drop_pages(const gp_safetensors *f)
{
    gp_map_drop_pages(&f->map);
}

void gp_safetensors_close(gp_safetensors **pf)
{
    if (!pf || !*pf) return;
    gp_safetensors *f = *pf;
    json_decref(f->root);
    gp_map_close(&f->map);
    free(f->tensor);
    free(f->byname);
    free(f->label);
    free(f);
    *pf = NULL;
}

size_t gp_safetensors_count(const gp_safetensors *f)
{
    return f->n;
}

const gp_tensor *gp_safetensors_at(const gp_safetensors *f, size_t i)
{
    return i < f->n ? &f->tensor[i] : NULL;
}

const gp_tensor *gp_safetensors_find(const gp_safetensors *f, const char *name)
{
    gp_tensor key = {.name = name}, *pkey = &key;
    gp_tensor **t = bsearch(&pkey, f->byname, f->n, sizeof *f->byname, by_name);
    return t ? *t : NULL;
}

const char *gp_safetensors_meta(const gp_safetensors *f, const char *key)
{
    return json_string_value(json_object_get(f->meta, key));
}

size_t gp_safetensors_meta_count(const gp_safetensors *f)
{
    return json_object_size(f->meta);
}

bool gp_safetensors_meta_next(const gp_safetensors *f, void **at, const char **key, const char **value)
{
    json_t *m = json_object_get(f->root, "__metadata__");
    *at = *at ? json_object_iter_next(m, *at) : json_object_iter(m);
    *key = *at ? json_object_iter_key(*at) : NULL;
    *value = *at ? json_string_value(json_object_iter_value(*at)) : NULL;
    return *at != NULL;
}
