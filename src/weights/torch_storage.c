/* torch_storage.c - see torch_storage.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "weights/torch_storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "weights/torch_types.h"

enum { MAX_KEY = 64 };

void gp_torch_storages_free(gp_torch_storages *s)
{
    gp_zip_close(&s->zip);
    free(s->prefix);
    free(s->keyed);
    *s = (gp_torch_storages){0};
}

/* ---- zip ---- */

static const gp_zip_entry *entry_of(const gp_torch_storages *s, const char *name)
{
    char full[1200];
    int n = snprintf(full, sizeof full, "%s/%s", s->prefix, name);
    return n > 0 && (size_t)n < sizeof full ? gp_zip_find(&s->zip, full) : NULL;
}

/* The one entry "NAME/data.pkl" says what the archive calls itself. */
static gopro_status find_pickle(gp_torch_storages *s, const gp_zip_entry **pickle, const char *label, gopro_error *err)
{
    static const char tail[] = "/data.pkl";
    for (size_t i = 0; i < s->zip.n; i++) {
        const gp_zip_entry *e = &s->zip.entry[i];
        const char *slash = strchr(e->name, '/');
        if (!slash || strcmp(slash, tail) != 0) continue;
        if (*pickle) return gp_fail(err, GOPRO_E_FORMAT, "%s: holds '%s' and '%s'; one is expected", label, (*pickle)->name, e->name);
        *pickle = e;
    }
    if (!*pickle) return gp_fail(err, GOPRO_E_FORMAT, "%s: a zip archive, but without the data.pkl of PyTorch", label);
    if ((*pickle)->compressed)
        return gp_fail(err, GOPRO_E_FORMAT, "%s: '%s' is compressed, which PyTorch never does; unpack the file and use the original", label,
                       (*pickle)->name);
    s->prefix = gp_strdup((*pickle)->name);
    if (!s->prefix) return gp_fail_nomem(err, strlen((*pickle)->name), label);
    s->prefix[strlen(s->prefix) - (sizeof tail - 1)] = '\0';
    return GOPRO_OK;
}

gopro_status gp_torch_zip_open(gp_torch_storages *s, const gp_zip_entry **pickle, bool *script, const uint8_t *data, size_t size,
                               const char *label, gopro_error *err)
{
    *s = (gp_torch_storages){0};
    *pickle = NULL;
    GP_TRY(gp_zip_open(&s->zip, data, size, label, err));
    gopro_status st = find_pickle(s, pickle, label, err);
    if (st == GOPRO_OK) {
        const gp_zip_entry *order = entry_of(s, "byteorder");
        *script = entry_of(s, "constants.pkl") != NULL;
        if (order && order->data && !(order->size >= 6 && memcmp(order->data, "little", 6) == 0))
            st = gp_fail(err, GOPRO_E_FORMAT, "%s: the numbers are big-endian, which is not supported", label);
    }
    if (st != GOPRO_OK) gp_torch_storages_free(s);
    return st;
}

static gopro_status from_zip(const gp_torch_storages *s, const char *key, size_t n, gp_torch_storage *out, const char *tensor,
                             const char *label, gopro_error *err)
{
    char name[MAX_KEY + 8];
    size_t bytes;
    snprintf(name, sizeof name, "data/%.*s", (int)n, key);
    const gp_zip_entry *e = entry_of(s, name);
    if (!e || e->compressed)
        return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s': its numbers, zip entry '%s/%s', are %s", label, tensor, s->prefix, name,
                       e ? "compressed, which PyTorch never does" : "missing");
    if (!gp_mul_size(&bytes, out->count, gp_dtype_size(out->dtype)) || bytes != e->size)
        return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s': %zu numbers of type %s are announced, zip entry '%s/%s' has %zu bytes",
                       label, tensor, out->count, gp_dtype_name(out->dtype), s->prefix, name, e->size);
    out->data = e->data;
    return GOPRO_OK;
}

/* ---- before zip ---- */

static int by_key(const void *a, const void *b)
{
    const gp_torch_keyed *x = a, *y = b;
    if (x->n_key != y->n_key) return x->n_key < y->n_key ? -1 : 1;
    return memcmp(x->key, y->key, x->n_key);
}

static gp_torch_keyed *keyed(const gp_torch_storages *s, const char *key, size_t n)
{
    gp_torch_keyed k = {.key = key, .n_key = n};
    return s->n_keyed ? bsearch(&k, s->keyed, s->n_keyed, sizeof k, by_key) : NULL;
}

/* Type and length of a storage, as its persistent id has them. */
static gopro_status announced(const gp_pickle *p, uint32_t node, const gp_pk **key, gp_torch_storage *out, const char *tensor,
                              const char *label, gopro_error *err)
{
    int dtype = -1;
    uint32_t k = GP_PK_NIL;
    if (node != GP_PK_NIL && p->node[node].kind == GP_PK_STORAGE) {
        dtype = gp_pk_storage_dtype(p, gp_pk_item(p, node, 1));
        k = gp_pk_item(p, node, 2);
    }
    bool ok = dtype >= 0 && k != GP_PK_NIL && p->node[k].kind == GP_PK_TEXT && p->node[k].i > 0 && p->node[k].i <= MAX_KEY;
    if (!ok || memchr(p->node[k].s, '/', (size_t)p->node[k].i) || memchr(p->node[k].s, 0, (size_t)p->node[k].i) ||
        !gp_pk_int(p, gp_pk_item(p, node, 4), &out->count))
        return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s': its storage is not described as PyTorch does", label, tensor);
    uint32_t view = gp_pk_item(p, node, 5);
    if (view != GP_PK_NIL && p->node[view].kind != GP_PK_NONE)
        return gp_fail(err, GOPRO_E_FORMAT,
                       "%s: tensor '%.200s': its storage is part of another one; save the checkpoint with a newer PyTorch", label, tensor);
    out->dtype = (gp_dtype)dtype;
    *key = &p->node[k];
    return GOPRO_OK;
}

static gopro_status gather(gp_torch_storages *s, const gp_pickle *p, const char *label, gopro_error *err)
{
    size_t n = 0;
    for (uint32_t i = 0; i < p->n_node; i++) n += p->node[i].kind == GP_PK_STORAGE;
    s->keyed = calloc(n + 1, sizeof *s->keyed);
    if (!s->keyed) return gp_fail_nomem(err, n * sizeof *s->keyed, label);
    for (uint32_t i = 0; i < p->n_node; i++) {
        if (p->node[i].kind != GP_PK_STORAGE) continue;
        gp_torch_keyed *k = &s->keyed[s->n_keyed];
        const gp_pk *key;
        GP_TRY(announced(p, i, &key, &k->s, "(a storage)", label, err));
        k->key = key->s;
        k->n_key = (size_t)key->i;
        s->n_keyed++;
    }
    if (n) qsort(s->keyed, n, sizeof *s->keyed, by_key);
    size_t unique = 0;
    for (size_t i = 0; i < n; i++) {
        gp_torch_keyed *last = unique ? &s->keyed[unique - 1] : NULL;
        if (!last || by_key(last, &s->keyed[i]) != 0)
            s->keyed[unique++] = s->keyed[i];
        else if (last->s.dtype != s->keyed[i].s.dtype || last->s.count != s->keyed[i].s.count)
            return gp_fail(err, GOPRO_E_FORMAT, "%s: a storage is described in two ways", label);
    }
    s->n_keyed = unique;
    return GOPRO_OK;
}

gopro_status gp_torch_legacy_storages(gp_torch_storages *s, const gp_pickle *p, const gp_pickle *keys, const uint8_t *data, size_t size,
                                      const char *label, gopro_error *err)
{
    const gp_pk *list = &keys->node[keys->root];
    size_t at = 0;
    GP_TRY(gather(s, p, label, err));
    if (list->kind != GP_PK_LIST) return gp_fail(err, GOPRO_E_FORMAT, "%s: the list of storages is missing", label);
    for (uint32_t i = 0, c = list->first; i < list->n; i++, c = keys->cell[c].next) {
        const gp_pk *key = &keys->node[keys->cell[c].value];
        gp_torch_keyed *k = key->kind == GP_PK_TEXT ? keyed(s, key->s, (size_t)key->i) : NULL;
        uint64_t count = 0;
        size_t bytes;
        if (!k || k->s.data) return gp_fail(err, GOPRO_E_FORMAT, "%s: a storage is listed that no tensor has, or twice", label);
        if (size - at >= sizeof count) memcpy(&count, data + at, sizeof count);
        if (size - at < sizeof count || count != k->s.count || !gp_mul_size(&bytes, k->s.count, gp_dtype_size(k->s.dtype)) ||
            bytes > size - at - sizeof count)
            return gp_fail(err, GOPRO_E_FORMAT,
                           "%s: storage %.*s of %zu numbers has another length or runs past the end; is the file cut off?", label,
                           (int)k->n_key, k->key, k->s.count);
        k->s.data = data + at + sizeof count;
        at += sizeof count + bytes;
    }
    return at == size ? GOPRO_OK : gp_fail(err, GOPRO_E_FORMAT, "%s: %zu bytes after the last storage", label, size - at);
}

gopro_status gp_torch_storage_get(const gp_torch_storages *s, const gp_pickle *p, uint32_t node, gp_torch_storage *out, const char *tensor,
                                  const char *label, gopro_error *err)
{
    const gp_pk *key;
    *out = (gp_torch_storage){0};
    GP_TRY(announced(p, node, &key, out, tensor, label, err));
    if (s->prefix) return from_zip(s, key->s, (size_t)key->i, out, tensor, label, err);
    const gp_torch_keyed *k = keyed(s, key->s, (size_t)key->i);
    if (!k || !k->s.data) return gp_fail(err, GOPRO_E_FORMAT, "%s: tensor '%.200s': its numbers are missing", label, tensor);
    *out = k->s;
    return GOPRO_OK;
}
