/* torch.c - files of torch.save and torch.jit.save: the pickle says which tensors there are, their numbers are used where they lie.
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "weights/torch_storage.h"
#include "weights/torch_types.h"

enum { MAX_DEPTH = 64, MAX_VISITS = 1 << 20, MAX_NAME = 512, MAX_TEXT = 32 << 20, MAX_PICKLE = 64 << 20 };

/* A tensor whose numbers do not lie in order. */
typedef struct strided {
    size_t tensor, stride[GP_MAX_RANK];
} strided;

typedef struct walk {
    gp_tensors *t;
    const gp_pickle *p;
    gp_torch_storages *storages;
    const char *label;
    gopro_error *err;
    size_t visits, text; /* names seen, and their bytes */
    gp_torch_span *span; /* of every tensor, to find overlaps */
    size_t n_span, cap_span;
    strided *view; /* copied once nothing overlaps: until then a small file may announce any number of copies */
    size_t n_view, cap_view;
} walk;

static gopro_status bad(const walk *w, const char *name, const char *what)
{
    return gp_fail(w->err, GOPRO_E_FORMAT, "%s: tensor '%.200s': %s", w->label, name, what);
}

/* ---- tensors ---- */

static gopro_status sizes(const walk *w, const char *name, uint32_t node, size_t out[GP_MAX_RANK], size_t *rank)
{
    const gp_pk *v = node == GP_PK_NIL ? NULL : &w->p->node[node];
    if (!v || (v->kind != GP_PK_TUPLE && v->kind != GP_PK_LIST)) return bad(w, name, "its shape or strides are missing");
    if (v->n > GP_MAX_RANK) return bad(w, name, "it has more than 8 dimensions");
    *rank = v->n;
    for (uint32_t i = 0; i < v->n; i++)
        if (!gp_pk_int(w->p, gp_pk_item(w->p, node, i), &out[i])) return bad(w, name, "its shape or strides are no whole numbers");
    return GOPRO_OK;
}

/* First and last element of the storage that the tensor uses; also whether its elements lie in order without gaps. */
static gopro_status extent(const walk *w, const gp_tensor *t, const size_t *stride, size_t *span, bool *in_order)
{
    size_t count = 1, far = 0, add;
    *in_order = true;
    for (size_t i = t->rank; i-- > 0;) {
        if (t->shape[i] > 1) {
            if (stride[i] == 0) return bad(w, t->name, "it repeats its numbers (stride 0), which no list of weights needs");
            *in_order = *in_order && stride[i] == count;
            if (!gp_mul_size(&add, t->shape[i] - 1, stride[i]) || !gp_add_size(&far, far, add))
                return bad(w, t->name, "its size overflows");
        }
        if (!gp_mul_size(&count, count, t->shape[i])) return bad(w, t->name, "its size overflows");
    }
    *span = count ? far + 1 : 0;
    return far == SIZE_MAX ? bad(w, t->name, "its size overflows") : GOPRO_OK;
}

static void copy_strided(uint8_t *out, const gp_tensor *t, const size_t *stride, size_t size)
{
    size_t index[GP_MAX_RANK] = {0}, at = 0;
    for (size_t k = 0; k < t->count; k++) {
        memcpy(out + k * size, t->data + at * size, size);
        for (size_t d = t->rank; d-- > 0;) {
            at += stride[d];
            if (++index[d] < t->shape[d]) break;
            at -= stride[d] * t->shape[d];
            index[d] = 0;
        }
    }
}

static gopro_status note_span(walk *w, const gp_tensor *t, size_t bytes)
{
    if (w->n_span == w->cap_span) {
        size_t cap = w->cap_span ? 2 * w->cap_span : 512;
        gp_torch_span *s = reallocarray(w->span, cap, sizeof *s);
        if (!s) return gp_fail_nomem(w->err, cap * sizeof *s, w->label);
        w->span = s;
        w->cap_span = cap;
    }
    w->span[w->n_span++] = (gp_torch_span){t->data, bytes, w->t->n - 1};
    return GOPRO_OK;
}

static gopro_status note_view(walk *w, const size_t *stride)
{
    if (w->n_view == w->cap_view) {
        size_t cap = w->cap_view ? 2 * w->cap_view : 64;
        strided *v = reallocarray(w->view, cap, sizeof *v);
        if (!v) return gp_fail_nomem(w->err, cap * sizeof *v, w->label);
        w->view = v;
        w->cap_view = cap;
    }
    strided *v = &w->view[w->n_view++];
    v->tensor = w->t->n - 1;
    memcpy(v->stride, stride, sizeof v->stride);
    return GOPRO_OK;
}

static gopro_status copy_views(const walk *w)
{
    for (size_t i = 0; i < w->n_view; i++) {
        gp_tensor *t = &w->t->v[w->view[i].tensor];
        const size_t size = gp_dtype_size(t->dtype);
        uint8_t *copy = gp_tensors_buffer(w->t, t->count * size, w->err);
        if (!copy) return GOPRO_E_NOMEM;
        copy_strided(copy, t, w->view[i].stride, size);
        t->data = copy;
    }
    return GOPRO_OK;
}

static gopro_status add_tensor(walk *w, const char *name, uint32_t node)
{
    const gp_pickle *p = w->p;
    gp_tensor t = {.name = name};
    size_t stride[GP_MAX_RANK] = {0}, rank = 0, offset, span, size, end;
    gp_torch_storage s;
    bool in_order;
    GP_TRY(gp_torch_storage_get(w->storages, p, gp_pk_item(p, node, 0), &s, name, w->label, w->err));
    if (!gp_pk_int(p, gp_pk_item(p, node, 1), &offset)) return bad(w, name, "its place in the storage is no whole number");
    GP_TRY(sizes(w, name, gp_pk_item(p, node, 2), t.shape, &t.rank));
    GP_TRY(sizes(w, name, gp_pk_item(p, node, 3), stride, &rank));
    if (rank != t.rank) return bad(w, name, "it has other numbers of dimensions and strides");
    GP_TRY(extent(w, &t, stride, &span, &in_order));
    if (!gp_add_size(&end, offset, span) || end > s.count)
        return gp_fail(w->err, GOPRO_E_FORMAT, "%s: tensor '%.200s' ends outside its storage of %zu numbers", w->label, name, s.count);
    t.dtype = s.dtype;
    t.count = span ? 1 : 0;
    for (size_t i = 0; i < t.rank; i++) t.count *= t.shape[i];
    if (t.count > span) return bad(w, name, "it repeats its numbers (by its strides), which no list of weights needs");
    size = gp_dtype_size(t.dtype);
    t.data = s.data + offset * size;
    GP_TRY(gp_tensors_add(w->t, name, &t, w->err));
    if (span) GP_TRY(note_span(w, &t, span * size));
    return in_order || t.count == 0 ? GOPRO_OK : note_view(w, stride);
}

static int by_data(const void *a, const void *b)
{
    const gp_torch_span *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return x->size < y->size ? -1 : x->size > y->size;
}

static gopro_status check_overlap(const walk *w)
{
    if (w->n_span) qsort(w->span, w->n_span, sizeof *w->span, by_data);
    for (size_t i = 1; i < w->n_span; i++) {
        const gp_torch_span *a = &w->span[i - 1], *b = &w->span[i];
        if ((size_t)(b->data - a->data) < a->size)
            return gp_fail(w->err, GOPRO_E_FORMAT, "%s: tensors '%.200s' and '%.200s' overlap", w->label, w->t->v[a->tensor].name,
                           w->t->v[b->tensor].name);
    }
    return GOPRO_OK;
}

/* ---- the dictionary or the tree of modules ---- */

static bool mark_of_openai(const char *name)
{
    return strcmp(name, "input_resolution") == 0 || strcmp(name, "context_length") == 0 || strcmp(name, "vocab_size") == 0;
}

static gopro_status collect(walk *w, uint32_t dict, const char *prefix, int depth);

static gopro_status collect_value(walk *w, uint32_t value, const char *name, int depth)
{
    const gp_pk *v = &w->p->node[value];
    bool module = w->t->script && v->kind == GP_PK_OBJECT && v->n == 1;
    w->t->openai_marks = w->t->openai_marks || mark_of_openai(name);
    if (v->kind == GP_PK_TENSOR) return add_tensor(w, name, value);
    if (module) return collect(w, gp_pk_item(w->p, value, 0), name, depth + 1);
    /* A TorchScript module has settings beside its tensors; a list of weights has nothing else. */
    if (w->t->script || mark_of_openai(name) || v->kind == GP_PK_NONE) return GOPRO_OK;
    if (depth == 0 && v->kind == GP_PK_DICT)
        return bad(w, name,
                   "it is a dictionary; the weights are looked for under state_dict, model_state_dict or model, or in the file itself: "
                   "save that dictionary alone");
    return bad(w, name, "its value is no tensor");
}

static gopro_status collect(walk *w, uint32_t dict, const char *prefix, int depth)
{
    const gp_pickle *p = w->p;
    if (depth > MAX_DEPTH) return bad(w, prefix, "modules lie within each other too deeply");
    if (p->node[dict].kind != GP_PK_DICT) return w->t->script ? GOPRO_OK : bad(w, prefix, "a dictionary of tensors is expected");
    for (uint32_t k = 0, c = p->node[dict].first; k < p->node[dict].n; k++, c = p->cell[c].next) {
        const gp_pk *key = &p->node[p->cell[c].key];
        char name[MAX_NAME];
        if (++w->visits > MAX_VISITS) return bad(w, prefix, "modules are nested in ways no list of weights needs");
        if (key->kind != GP_PK_TEXT || key->i > MAX_NAME / 2 || memchr(key->s, 0, (size_t)key->i))
            return bad(w, prefix, "a name beside it is no text or too long");
        int n = snprintf(name, sizeof name, "%s%s%.*s", prefix, *prefix ? "." : "", (int)key->i, key->s);
        if (n < 0 || (size_t)n >= sizeof name) return bad(w, prefix, "the names within it are too long");
        w->text += (size_t)n;
        if (w->text > MAX_TEXT) return bad(w, prefix, "the names of its tensors are longer than any list of weights needs");
        GP_TRY(collect_value(w, p->cell[c].value, name, depth));
    }
    return GOPRO_OK;
}

/* args.model of a training script. */
static void note_args(walk *w, uint32_t root)
{
    const gp_pickle *p = w->p;
    uint32_t args = gp_pk_lookup(p, root, "args");
    if (args == GP_PK_NIL) return;
    if (p->node[args].kind == GP_PK_OBJECT) args = p->node[args].n ? gp_pk_item(p, args, 0) : GP_PK_NIL;
    uint32_t model = gp_pk_lookup(p, args, "model");
    if (model == GP_PK_NIL || p->node[model].kind != GP_PK_TEXT) return;
    size_t n = gp_min_size((size_t)p->node[model].i, 60);
    const char *s = p->node[model].s;
    while (n > 0 && n < (size_t)p->node[model].i && ((unsigned char)s[n] & 0xC0) == 0x80) n--; /* not within a character */
    snprintf(w->t->model_arg, sizeof w->t->model_arg, "%.*s", (int)n, s);
    gp_plain_text(w->t->model_arg);
}

static gopro_status collect_root(walk *w)
{
    static const char *const wrapper[] = {"state_dict", "model_state_dict", "model"};
    const gp_pickle *p = w->p;
    uint32_t root = p->root;
    if (w->t->script && p->node[root].kind == GP_PK_OBJECT && p->node[root].n == 1) return collect(w, gp_pk_item(p, root, 0), "", 0);
    if (p->node[root].kind != GP_PK_DICT)
        return gp_fail(w->err, GOPRO_E_FORMAT, "%s: holds no dictionary of tensors; save the model's state dict", w->label);
    for (size_t i = 0; i < GP_COUNT(wrapper); i++) {
        uint32_t inner = gp_pk_lookup(p, root, wrapper[i]);
        if (inner == GP_PK_NIL || p->node[inner].kind != GP_PK_DICT) continue;
        note_args(w, root);
        w->t->training = true;
        return collect(w, inner, "", 0);
    }
    return collect(w, root, "", 0);
}

static gopro_status read_tree(gp_tensors *t, const gp_pickle *p, gp_torch_storages *s, const char *label, gopro_error *err)
{
    walk w = {.t = t, .p = p, .storages = s, .label = label, .err = err};
    size_t before = t->n;
    gopro_status st = collect_root(&w);
    if (st == GOPRO_OK) st = check_overlap(&w);
    if (st == GOPRO_OK) st = copy_views(&w);
    if (st == GOPRO_OK && t->n == before) st = gp_fail(err, GOPRO_E_FORMAT, "%s: holds no tensors", label);
    free(w.span);
    free(w.view);
    return st;
}

/* ---- the two containers ---- */

static gopro_status read_zip(gp_tensors *t, const uint8_t *data, size_t size, const char *label, gopro_error *err)
{
    gp_torch_storages s = {0};
    gp_pickle p = {0};
    const gp_zip_entry *pickle = NULL;
    GP_TRY(gp_torch_zip_open(&s, &pickle, &t->script, data, size, label, err));
    t->container = t->script ? "TorchScript" : "PyTorch zip";
    gopro_status st = GOPRO_OK;
    if (pickle->size > MAX_PICKLE)
        st = gp_fail(err, GOPRO_E_FORMAT, "%s: '%s' has %zu bytes, at most %d", label, pickle->name, pickle->size, (int)MAX_PICKLE);
    if (st == GOPRO_OK)
        st = gp_pickle_read(&p, pickle->data, pickle->size, t->script ? &gp_torch_script_types : &gp_torch_types, label, err);
    if (st == GOPRO_OK) st = read_tree(t, &p, &s, label, err);
    gp_pickle_free(&p);
    gp_torch_storages_free(&s);
    return st;
}

/* Before PyTorch 1.6: five pickles (magic number, version, system, the object, keys of the storages), then the storages. */
static gopro_status read_legacy(gp_tensors *t, const uint8_t *data, size_t size, const char *label, gopro_error *err)
{
    gp_torch_storages s = {0};
    gp_pickle p = {0}, keys = {0};
    size_t at = 0;
    gopro_status st = GOPRO_OK;
    t->container = "PyTorch before 1.6";
    for (int i = 0; i < 5 && st == GOPRO_OK; i++) {
        gp_pickle skipped = {0}, *q = i == 3 ? &p : i == 4 ? &keys : &skipped;
        st = gp_pickle_read(q, data + at, size - at, &gp_torch_types, label, err);
        at += q->used;
        gp_pickle_free(&skipped);
    }
    if (st == GOPRO_OK) st = gp_torch_legacy_storages(&s, &p, &keys, data + at, size - at, label, err);
    if (st == GOPRO_OK) st = read_tree(t, &p, &s, label, err);
    gp_pickle_free(&p);
    gp_pickle_free(&keys);
    gp_torch_storages_free(&s);
    return st;
}

bool gp_torch_looks_legacy(const uint8_t *data, size_t size)
{
    static const uint8_t magic[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    return size >= sizeof magic && memcmp(data, magic, sizeof magic) == 0;
}

gopro_status gp_torch_read(gp_tensors *t, const uint8_t *data, size_t size, const char *label, gopro_error *err)
{
    return gp_zip_looks_like(data, size) ? read_zip(t, data, size, label, err) : read_legacy(t, data, size, label, err);
}
