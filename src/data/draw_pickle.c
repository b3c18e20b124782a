/* draw_pickle.c - see draw_pickle.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "data/draw_pickle.h"

#include <string.h>

#include "base/pickle.h"
#include "data/dataset_int.h"

enum { MAX_PATH = 4097, MAX_ENTRIES = 64 /* of an image's record */ };

typedef struct reading {
    const gp_pickle *p;
    const char *what;
    gp_draw_entry_fn *entry;
    void *arg;
} reading;

/* Projects keep the class in modules of various names; it is only ever a record with four entries. */
static int find(const char *module, size_t n_module, const char *name, size_t n_name, gp_pk_use *use)
{
    (void)module;
    (void)n_module;
    *use = GP_USE_OBJECT;
    return n_name == 5 && memcmp(name, "Datum", 5) == 0 ? 0 : -1;
}

static const gp_pk_types draw_types = {find, "draw", "export the draw as JSON or as a list"};

static uint32_t either(const gp_pickle *p, uint32_t dict, const char *key)
{
    const uint32_t v = gp_pk_lookup(p, dict, key);
    return v != GP_PK_NIL ? v : gp_pk_lookup(p, dict, key + 1);
}

/* Text as a string; false if there is none, or one that is no path or name. */
static bool string(const gp_pickle *p, uint32_t node, char s[MAX_PATH])
{
    if (node == GP_PK_NIL || p->node[node].kind != GP_PK_TEXT) return false;
    const size_t n = (size_t)p->node[node].i;
    if (n >= MAX_PATH || memchr(p->node[node].s, 0, n)) return false;
    memcpy(s, p->node[node].s, n);
    s[n] = '\0';
    return true;
}

static gopro_status read_entry(const reading *r, int part, size_t i, uint32_t node, gopro_error *err)
{
    char path[MAX_PATH], name[MAX_PATH];
    size_t label;
    const gp_pickle *p = r->p;
    const uint32_t state = p->node[node].kind == GP_PK_OBJECT ? gp_pk_item(p, node, 0) : node;
    if (state != GP_PK_NIL && p->node[state].n > MAX_ENTRIES)
        return gp_fail(err, GOPRO_E_DATA, "'%s': %s entry %zu has %u entries itself, expected at most %d", r->what, gp_part_name[part], i,
                       p->node[state].n, MAX_ENTRIES);
    if (!string(p, either(p, state, "_impath"), path) || !gp_pk_int(p, either(p, state, "_label"), &label))
        return gp_fail(err, GOPRO_E_DATA, "'%s': %s entry %zu has no _impath or no _label of at least 0", r->what, gp_part_name[part], i);
    return r->entry(r->arg, part, path, (long long)label, string(p, either(p, state, "_classname"), name) ? name : NULL, err);
}

static gopro_status read_list(const reading *r, int part, uint32_t list, gopro_error *err)
{
    const gp_pickle *p = r->p;
    if (p->node[list].kind != GP_PK_LIST) return gp_fail(err, GOPRO_E_DATA, "'%s': \"%s\" must be a list", r->what, gp_part_name[part]);
    uint32_t c = p->node[list].first;
    for (uint32_t i = 0; i < p->node[list].n; i++, c = p->cell[c].next) GP_TRY(read_entry(r, part, i, p->cell[c].value, err));
    return GOPRO_OK;
}

gopro_status gp_draw_from_pickle(const void *data, size_t size, const char *what, gp_draw_entry_fn *entry, void *arg, gopro_error *err)
{
    gp_pickle p;
    if (gp_pickle_read(&p, data, size, &draw_types, what, err) != GOPRO_OK) return gp_fail_in(err, GOPRO_E_DATA, "draw");
    const reading r = {&p, what, entry, arg};
    const uint32_t train = gp_pk_lookup(&p, p.root, "train"), val = gp_pk_lookup(&p, p.root, "val");
    gopro_status st = GOPRO_OK;
    if (train == GP_PK_NIL) st = gp_fail(err, GOPRO_E_DATA, "'%s': expected the draw under \"train\" (and \"val\")", what);
    if (st == GOPRO_OK) st = read_list(&r, GP_PART_TRAIN, train, err);
    if (st == GOPRO_OK && val != GP_PK_NIL) st = read_list(&r, GP_PART_VAL, val, err);
    gp_pickle_free(&p);
    return st;
}
