/* pickle_look.c - looking into what a pickle held.
 * SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/pickle.h"

uint32_t gp_pk_item(const gp_pickle *p, uint32_t node, uint32_t i)
{
    const gp_pk *v = &p->node[node];
    bool has = v->kind == GP_PK_TUPLE || v->kind == GP_PK_LIST || v->kind >= GP_PK_STORAGE;
    if (!has || i >= v->n) return GP_PK_NIL;
    uint32_t c = v->first;
    while (i--) c = p->cell[c].next;
    return p->cell[c].value;
}

bool gp_pk_is_text(const gp_pickle *p, uint32_t node, const char *text)
{
    return node != GP_PK_NIL && p->node[node].kind == GP_PK_TEXT && strlen(text) == (size_t)p->node[node].i &&
           memcmp(p->node[node].s, text, strlen(text)) == 0;
}

uint32_t gp_pk_lookup(const gp_pickle *p, uint32_t dict, const char *key)
{
    if (dict == GP_PK_NIL || p->node[dict].kind != GP_PK_DICT) return GP_PK_NIL;
    uint32_t found = GP_PK_NIL;
    for (uint32_t k = 0, c = p->node[dict].first; k < p->node[dict].n; k++, c = p->cell[c].next)
        if (gp_pk_is_text(p, p->cell[c].key, key)) found = p->cell[c].value; /* the last one set counts */
    return found;
}

bool gp_pk_int(const gp_pickle *p, uint32_t node, size_t *v)
{
    if (node == GP_PK_NIL || p->node[node].kind != GP_PK_INT || p->node[node].i < 0) return false;
    *v = (size_t)p->node[node].i;
    return true;
}
